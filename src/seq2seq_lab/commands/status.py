"""Print the progress of a study: done, running, failed and missing runs, and how long the rest will take.

    seq2seq-lab status STUDY [--workers N]

STUDY is a study's folder, or its name under outputs/studies. N is how many runs go side by side; unless given, as many
as run now.
"""

import argparse
from pathlib import Path

from seq2seq_lab import errors
from seq2seq_lab.config.command_line import Parser
from seq2seq_lab.study.matrix import Study, find_study
from seq2seq_lab.study.plan import lines, seconds_left, states


def at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be a whole number >= 1")
    return int(text)


def parser() -> Parser:
    flags = Parser(description=__doc__.partition("\n")[0])
    flags.add_argument("study", help="folder of a study, or its name under outputs/studies")
    flags.add_argument("--workers", type=at_least_one, help="runs side by side")
    return flags


def main(arguments: argparse.Namespace) -> None:
    study = Study.load(find_study(arguments.study))
    now = states(study)
    for line in lines(study, now):
        print(errors.one_line(line))
    left = seconds_left(now, arguments.workers or sum(s.kind == "running" for s in now) or 1)
    if any(state.kind != "done" for state in now):
        text = "unknown until a run is done" if left is None else f"{left / 60:.1f} minutes"
        print(errors.one_line(f"time left: {text}"))
    if (Path(study.place) / "report" / "index.html").exists():
        print(errors.one_line(f"report: {study.place / 'report' / 'index.html'}"))
