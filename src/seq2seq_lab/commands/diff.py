"""Compare two runs: config, data, code, numbers with the interval of their difference, and the sentences that changed.

seq2seq-lab diff outputs/lstm_numbers/<run> outputs/lstm_attn_numbers/<run>
seq2seq-lab diff OLD NEW --sentences 10
seq2seq-lab diff OLD NEW --json > difference.json

Of runs that are not finished, what is there is compared.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

from seq2seq_lab import errors
from seq2seq_lab.config.command_line import Parser


def whole_number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: must be a whole number >= 0")
    return int(text)


def parser() -> Parser:
    flags = Parser(description=__doc__.partition("\n")[0])
    add = flags.add_argument
    add("run", type=Path, help="the folder of a run, the old one")
    add("other", type=Path, metavar="run", help="the folder of the new one")
    most = "so many that gained most, and as many that lost most (default: 3)"
    add("--sentences", metavar="N", type=whole_number, default=3, help=most)
    add("--all", action="store_true", help="all numbers, keys and sentences that changed")
    add("--json", action="store_true", help="write JSON with exact numbers")
    return flags


def main(arguments: argparse.Namespace) -> None:
    from seq2seq_lab.report import run_diff
    from seq2seq_lab.report.run_diff_sentences import changed_sentences
    from seq2seq_lab.report.run_list import let_metrics_count

    old, new = (run_diff.read_side(folder) for folder in (arguments.run, arguments.other))
    if arguments.run.samefile(arguments.other):
        raise errors.ConfigError(
            f"{arguments.other}: is the same run; give two (seq2seq-lab runs lists them)"
        )
    problems = [f"{side.run.folder}: {text}" for side in (old, new) for text in side.problems]
    for problem in filter(None, [*problems, let_metrics_count([old.run, new.run])]):
        print(errors.one_line(f"note: {problem}"), file=sys.stderr)
    parts = {
        "config": run_diff.config_changes(old.run, new.run),
        "data": run_diff.data_changes(old, new),
        "code and versions": run_diff.environment_changes(old.run, new.run),
    }
    numbers = run_diff.numbers(old, new)
    sentences = changed_sentences(old, new, None if arguments.all else arguments.sentences)
    if arguments.json:
        from seq2seq_lab.files import json_text
        from seq2seq_lab.report.run_query import plain

        content = {
            "runs": [str(side.run.folder) for side in (old, new)],
            **{name: list(map(dataclasses.asdict, found)) for name, found in parts.items()},
            "numbers": list(map(dataclasses.asdict, numbers)),
            "sentences": sentences if isinstance(sentences, str) else dataclasses.asdict(sentences),
        }
        sys.stdout.write(errors.for_stream(json_text(plain(content)), sys.stdout))
        return
    from rich.console import Console

    from seq2seq_lab.report.run_diff_text import Printer

    printer = Printer(Console(), is_whole=arguments.all)
    printer.sides(old, new)
    for name, found in parts.items():
        printer.changes(name.capitalize(), found)
    printer.numbers(numbers, run_diff.other_data(old, new))
    if arguments.all or arguments.sentences:
        printer.sentences(sentences)
