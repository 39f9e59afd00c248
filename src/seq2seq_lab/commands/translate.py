"""Translate text with a trained model: one line out for each line in, in the same order.

seq2seq-lab translate outputs/lstm_attn_numbers/<run> --text "one hundred and five"
seq2seq-lab translate best.ckpt < input.txt > output.txt
seq2seq-lab translate best.ckpt input.txt --beam 5 decoding.max_ratio=2 --output output.txt
seq2seq-lab translate best.ckpt input.txt --beam 5 --n-best 5 --jsonl --attention > hypotheses.jsonl
seq2seq-lab translate run_1 input.txt --ensemble run_2 run_3
"""

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, cast

from seq2seq_lab import errors
from seq2seq_lab.config.command_line import Parser
from seq2seq_lab.inference import decoding_choice
from seq2seq_lab.output import output_file, refuse_same_file


def parser() -> Parser:
    flags = Parser(
        description=__doc__.partition("\n")[0],
        epilog="Reads standard input unless FILE or --text is given. The search is that of the run unless chosen.",
    )
    flags.add_argument("checkpoint", help="a checkpoint file, a run folder or an exported folder")
    flags.add_argument(
        "file", nargs="?", help="UTF-8 text, one sentence per line; - is standard input"
    )
    decoding_choice.add_search_arguments(flags)
    decoding_choice.add_model_arguments(flags)
    flags.add_argument("--text", help="translate this text and end")
    flags.add_argument("--output", help="write here and not to standard output")
    flags.add_argument("--prefix", metavar="TEXT", help="every output starts with this text")
    flags.add_argument(
        "--prefix-file", metavar="FILE", help="output i starts with line i of this file"
    )
    flags.add_argument(
        "--n-best",
        type=int,
        metavar="N",
        help="the N best outputs of each line (fewer if the search found fewer), as lines of: number of the input "
        "line, rank value, text, with tabs between; or all in one object with --jsonl",
    )
    flags.add_argument(
        "--jsonl", action="store_true", help="one JSON object per line, with scores and tokens"
    )
    flags.add_argument(
        "--attention", action="store_true", help="with --jsonl: the attention matrix as well"
    )
    flags.add_argument("--quiet", action="store_true", help="no progress bar")
    return flags


def refuse_contradictions(arguments: argparse.Namespace) -> None:
    if arguments.text is not None and arguments.file is not None:
        raise errors.ConfigError("give either FILE or --text, not both")
    if arguments.prefix is not None and arguments.prefix_file is not None:
        raise errors.ConfigError("give either --prefix or --prefix-file, not both")
    if arguments.attention and not arguments.jsonl:
        raise errors.ConfigError("--attention: text has no place for a matrix; add --jsonl")
    if arguments.n_best is not None and arguments.n_best < 1:
        raise errors.ConfigError(f"--n-best {arguments.n_best}: must be >= 1")


@contextmanager
def open_inputs(
    arguments: argparse.Namespace,
) -> Iterator[tuple[Iterator[str], Iterator[str] | None]]:
    """Give the lines to translate and those of the prefix file; a name that cannot be read is reported now."""
    from seq2seq_lab.data.text import iter_lines, open_text

    text, name, prefixes = arguments.text, arguments.file, arguments.prefix_file
    with ExitStack() as stack:
        if text is not None:
            lines = iter(checked(text, "--text").split("\n"))
        elif name in (None, "-"):
            lines = iter_lines(sys.stdin.buffer, "standard input")
        else:
            lines = iter_lines(stack.enter_context(open_text(Path(name))), name)
        if prefixes is None:
            yield lines, None
        else:
            yield lines, iter_lines(stack.enter_context(open_text(Path(prefixes))), prefixes)


def checked(text: str, flag: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise errors.DataError(f"{flag}: not UTF-8; check the terminal's encoding") from error
    return text


def with_prefixes(
    lines: Iterator[str], prefixes: Iterator[str] | None, arguments: argparse.Namespace
) -> Iterator[tuple[str, str]]:
    """Yield (line, what its output starts with)."""
    if prefixes is None:
        prefix = checked(arguments.prefix or "", "--prefix")
        yield from ((line, prefix) for line in lines)
        return
    for number, (line, prefix) in enumerate(zip_longest(lines, prefixes), start=1):
        if line is None or prefix is None:
            raise errors.DataError(
                f"--prefix-file {arguments.prefix_file}: has not as many lines as the input, one of them ends "
                f"before line {number}; give a line, which may be empty, for each input line"
            )
        yield line, prefix


def chunks(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Yield lists of items; where reading fails, first what was read before."""
    done = False
    while not done:
        chunk: list[Any] = []
        failure = None
        try:
            for item in islice(items, size):
                chunk.append(item)  # one by one, so that a failure keeps those before it
        except errors.UserError as error:
            failure = error
        done = len(chunk) < size
        if chunk:
            yield chunk
        if failure is not None:
            raise failure


@contextmanager
def open_output(arguments: argparse.Namespace) -> Iterator[Any]:
    """Give the stream to write to: a new output file appears when it is complete; never one of the inputs."""
    reads_stdin = arguments.file in (None, "-") and arguments.text is None
    given = (sys.stdin if reads_stdin else arguments.file, arguments.prefix_file)
    inputs = decoding_choice.inputs_of(arguments, *given)
    if arguments.output:
        with output_file(arguments.output, inputs, shown=f"--output {arguments.output}") as stream:
            yield stream
        return
    refuse_same_file(sys.stdout, inputs)
    cast(io.TextIOWrapper, sys.stdout).reconfigure(encoding="utf-8", newline="\n")
    yield sys.stdout


def written(number: int, line: str, found: list[Any], arguments: argparse.Namespace) -> str:
    """Return what is written of one input line, counted from 0."""
    from seq2seq_lab.inference.translator import translation_row

    if arguments.jsonl:
        row = translation_row(number, line, found, with_attention=arguments.attention)
        return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"
    if arguments.n_best is None:
        return found[0].text + "\n"
    return "".join(f"{number + 1}\t{one.rank:.4f}\t{one.text}\n" for one in found)


@contextmanager
def progress(arguments: argparse.Namespace, *, interactive: bool) -> Iterator[Callable[[int], Any]]:
    """Give a function to call with the number of lines done; on a terminal it moves a bar on standard error."""
    if arguments.quiet or interactive or arguments.text is not None or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(file=sys.stderr)
    with Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("", total=count_lines(arguments.file))
        yield lambda lines: bar.advance(task, lines)


def count_lines(name: str | None) -> int | None:
    """Return the number of lines of a plain file; None where it takes unpacking or waiting to know."""
    if name in (None, "-") or not Path(name).is_file():
        return None
    with Path(name).open("rb") as file:
        if file.peek(2).startswith(b"\x1f\x8b"):
            return None
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def translate(
    arguments: argparse.Namespace,
    translator: Any,
    pairs: Iterator[tuple[str, str]],
    output: Any,
) -> None:
    from seq2seq_lab.inference.unknown_tokens import UnknownTokens

    cut, unknown = 0, UnknownTokens()
    interactive = sys.stdin.isatty() and arguments.file is None and arguments.text is None
    # many batches are read at once, so that lines of like length meet; a terminal gets its answer at once
    chunk = 1 if interactive else 50 * arguments.batch_size
    with progress(arguments, interactive=interactive) as advance:
        for some in chunks(pairs, chunk):
            lines, prefixes = [line for line, _ in some], [prefix for _, prefix in some]
            forced = prefixes if any(prefixes) else None
            count = unknown.lines
            translations = translator.n_best(lines, first=count, prefixes=forced)
            for number, (line, found) in enumerate(zip(lines, translations, strict=True), count):
                output.write(errors.for_stream(written(number, line, found, arguments), output))
                cut += found[0].truncated
                missing = found[0].unknown_source_tokens
                unknown.add(max(len(found[0].source_tokens) - 1, 0), len(missing), missing)
            output.flush()
            advance(len(lines))
    limit, notes = translator.max_source_tokens, unknown.notes
    if cut:
        notes = [f"note: {cut} of {unknown.lines} lines were over {limit} tokens and cut", *notes]
    for note in notes:
        print(errors.one_line(note), file=sys.stderr)


def main(arguments: argparse.Namespace) -> None:
    overrides = decoding_choice.take_overrides(arguments, "file")
    refuse_contradictions(arguments)
    with open_output(arguments) as output, open_inputs(arguments) as (lines, prefixes):
        trained = decoding_choice.open_trained(arguments, overrides, n_best=arguments.n_best)
        pairs = with_prefixes(lines, prefixes, arguments)
        translate(arguments, trained.translator, pairs, output)
