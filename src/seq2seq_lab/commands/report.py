"""Write the report of a study again from what lies on disk: a page, tables and figures, offline.

seq2seq-lab report attention_vs_none
seq2seq-lab report outputs/studies/attention_vs_none --metric test/bleu --figures
seq2seq-lab report attention_vs_none --scores comet.tsv --metric test/comet
seq2seq-lab report en_de en_fr en_cs --out outputs/reports/three_languages
seq2seq-lab report all_languages --by data/corpus
"""

import argparse
from pathlib import Path

from seq2seq_lab import errors
from seq2seq_lab.config.command_line import Parser

ROOT = Path("outputs") / "reports"
"""Where the report of several studies lies unless `--out` says otherwise."""


def parser() -> Parser:
    flags = Parser(description=__doc__.partition("\n")[0])
    flags.add_argument(
        "study", nargs="+",
        help="the folder of a study, or its name under outputs/studies; of several studies one table is made",
    )  # fmt: skip
    flags.add_argument("--metric", help="test/NAME or val/NAME (default: what the study declares)")
    flags.add_argument(
        "--scores", metavar="FILE",
        help="scores of each run and sentence by another program (docs/metrics.md has the format)",
    )  # fmt: skip
    flags.add_argument(
        "--figures", action="store_true",
        help="write every figure as PDF, SVG and PNG for a paper, and its numbers as CSV, to figures/ in the report",
    )  # fmt: skip
    flags.add_argument(
        "--by", metavar="FACTOR",
        help="make one table with a column for each value of a factor, as data/corpus",
    )  # fmt: skip
    flags.add_argument(
        "--out", metavar="FOLDER", help=f"where one table of several columns goes (default: {ROOT}/NAMES)"
    )  # fmt: skip
    return flags


def main(arguments: argparse.Namespace) -> None:
    from seq2seq_lab.study.matrix import find_study

    places = [find_study(text) for text in arguments.study]
    path = (
        _several(places, arguments)
        if len(places) > 1 or arguments.by
        else _one(places[0], arguments)
    )
    print(errors.printable((path.parent / "report.md").read_text(encoding="utf-8")))
    print(errors.one_line(f"Report: {path}"))


def _one(place: Path, arguments: argparse.Namespace) -> Path:
    from seq2seq_lab.report.page import write_report

    if arguments.out:
        raise errors.ConfigError(
            f"--out {arguments.out}: the report of one study goes to {place / 'report'}; "
            "give several studies, or leave --out away"
        )
    return write_report(place, arguments.metric, arguments.scores, with_figures=arguments.figures)


def _several(places: list[Path], arguments: argparse.Namespace) -> Path:
    if arguments.scores:
        raise errors.ConfigError(
            f"--scores {arguments.scores}: belongs to the runs of one study; give one study, without --by"
        )
    from seq2seq_lab.report.several import read_several
    from seq2seq_lab.report.several_page import write_several

    several = read_several(places, arguments.metric, arguments.by)
    name = "+".join(place.resolve().name for place in places)
    by = f" by {arguments.by}".replace("/", ".") if arguments.by else ""
    folder = Path(arguments.out) if arguments.out else ROOT / f"{name}{by}".replace(" ", "_")[:150]
    return write_several(several, folder, with_figures=arguments.figures)
