"""Write the report of a study again from what lies on disk: a page, tables and figures, offline.

seq2seq-lab report attention_vs_none
seq2seq-lab report outputs/studies/attention_vs_none --metric test/bleu
"""

import argparse

from seq2seq_lab import errors
from seq2seq_lab.config.command_line import Parser


def parser() -> Parser:
    flags = Parser(description=__doc__.partition("\n")[0])
    flags.add_argument("study", help="the folder of a study, or its name under outputs/studies")
    flags.add_argument("--metric", help="test/NAME or val/NAME (default: what the study declares)")
    return flags


def main(arguments: argparse.Namespace) -> None:
    from seq2seq_lab.report.page import write_report
    from seq2seq_lab.study.matrix import find_study

    path = write_report(find_study(arguments.study), arguments.metric)
    print(errors.printable((path.parent / "report.md").read_text(encoding="utf-8")))
    print(errors.one_line(f"Report: {path}"))
