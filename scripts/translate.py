"""Translate text with a trained model: one line out for each line in, in the same order.

python scripts/translate.py outputs/lstm_attn_numbers/<run> --text "one hundred and five"
python scripts/translate.py best.ckpt < input.txt > output.txt
python scripts/translate.py best.ckpt input.txt --output output.txt
"""

import argparse
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from seq2seq_lab import errors
from seq2seq_lab.command_line import Parser


def parse() -> argparse.Namespace:
    parser = Parser(
        description=__doc__.partition("\n")[0],
        epilog="Reads standard input unless FILE or --text is given.",
    )
    parser.add_argument("checkpoint", help="a checkpoint file or a run folder")
    parser.add_argument(
        "file", nargs="?", help="UTF-8 text, one sentence per line; - is standard input"
    )
    parser.add_argument("--text", help="translate this text and end")
    parser.add_argument("--output", help="write here and not to standard output")
    parser.add_argument("--batch-size", type=int, default=64, metavar="N")
    parser.add_argument("--device", default="cpu", help="cpu, cuda ...")
    return parser.parse_args()


def read(arguments: argparse.Namespace, stdin: BinaryIO) -> Iterator[str]:
    from seq2seq_lab.data.text import iter_lines, open_text

    if arguments.text is not None:
        try:
            arguments.text.encode()
        except UnicodeEncodeError as error:
            raise errors.DataError("--text: not UTF-8; check the terminal's encoding") from error
        yield from arguments.text.split("\n")
    elif arguments.file in (None, "-"):
        yield from iter_lines(stdin, "standard input")
    else:
        with open_text(Path(arguments.file)) as stream:
            yield from iter_lines(stream, arguments.file)


def chunks(lines: Iterator[str], size: int) -> Iterator[list[str]]:
    """Yield lists of lines; where reading fails, first what was read before."""
    done = False
    while not done:
        chunk: list[str] = []
        failure = None
        try:
            for line in islice(lines, size):
                chunk.append(line)  # one by one, so that a failure keeps those before it
        except errors.UserError as error:
            failure = error
        done = len(chunk) < size
        if chunk:
            yield chunk
        if failure is not None:
            raise failure


def load_translator(arguments: argparse.Namespace) -> Any:
    from dataclasses import replace

    from seq2seq_lab.trained import load

    trained = load(arguments.checkpoint, device=arguments.device)
    return replace(trained.translator, batch_size=arguments.batch_size)


def open_output(arguments: argparse.Namespace) -> TextIO:
    """Open the output file; never the input, which would be empty before it is read."""
    path = Path(arguments.output)
    source = None if arguments.file in (None, "-") else Path(arguments.file)
    if source is not None and source.exists() and path.exists() and path.samefile(source):
        raise errors.ConfigError(f"--output {path}: is the input itself; choose another file")
    try:
        return path.open("w", encoding="utf-8", newline="\n")
    except OSError as error:
        text = f"--output {path}: cannot be written ({error.strerror}); choose another file"
        raise errors.ResourceError(text) from error


def translate(arguments: argparse.Namespace, translator: Any, output: TextIO) -> None:
    cut = count = 0
    # many batches are read at once, so that lines of like length meet; a terminal gets its answer at once
    chunk = 1 if sys.stdin.isatty() and arguments.file is None else 50 * arguments.batch_size
    for lines in chunks(read(arguments, sys.stdin.buffer), chunk):
        for translation in translator.translate(lines):
            output.write(translation.text + "\n")
            cut += translation.truncated
            count += 1
        output.flush()
    if cut:
        limit = translator.max_source_tokens
        print(f"note: {cut} of {count} lines were over {limit} tokens and cut", file=sys.stderr)


def main() -> None:
    arguments = parse()
    if arguments.batch_size < 1:
        raise errors.ConfigError(f"--batch-size {arguments.batch_size}: must be >= 1; 64 is usual")
    if arguments.text is not None and arguments.file is not None:
        raise errors.ConfigError("give either FILE or --text, not both")
    translator = load_translator(arguments)  # first: a mistake leaves an older output as it was
    if arguments.output:
        with open_output(arguments) as output:
            translate(arguments, translator, output)
    else:
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
        translate(arguments, translator, sys.stdout)


if __name__ == "__main__":
    sys.exit(errors.run(main))
