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
from typing import BinaryIO, TextIO

from seq2seq_lab import errors


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        epilog="Reads standard input unless FILE or --text is given.",
    )
    parser.add_argument("checkpoint", help="a checkpoint file or a run folder")
    parser.add_argument("file", nargs="?", help="UTF-8 text, one sentence per line; - is standard input")
    parser.add_argument("--text", help="translate this text and end")
    parser.add_argument("--output", help="write here and not to standard output")
    parser.add_argument("--batch-size", type=int, default=64, metavar="N")
    parser.add_argument("--device", default="cpu", help="cpu, cuda ...")
    return parser.parse_args()


def read(arguments: argparse.Namespace, stdin: BinaryIO) -> Iterator[str]:
    from seq2seq_lab.data.text import iter_lines, open_text

    if arguments.text is not None:
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


def translate(arguments: argparse.Namespace, output: TextIO) -> None:
    from dataclasses import replace

    from seq2seq_lab.trained import load

    trained = load(arguments.checkpoint, device=arguments.device)
    translator = replace(trained.translator, batch_size=arguments.batch_size)
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
        raise errors.ConfigError(f"--batch-size {arguments.batch_size}: must be >= 1")
    if arguments.text is not None and arguments.file is not None:
        raise errors.ConfigError("give either FILE or --text, not both")
    if arguments.output:
        with Path(arguments.output).open("w", encoding="utf-8", newline="\n") as output:
            translate(arguments, output)
    else:
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
        translate(arguments, sys.stdout)


if __name__ == "__main__":
    sys.exit(errors.run(main))
