"""Write the report of a study again from what lies on disk: a page, tables and figures, offline.

seq2seq-lab report attention_vs_none
seq2seq-lab report outputs/studies/attention_vs_none --metric test/bleu --figures
seq2seq-lab report beam_curve --searches
seq2seq-lab report attention_vs_none --scores comet.tsv --metric test/comet
seq2seq-lab report en_de en_fr en_cs --out outputs/reports/three_languages
seq2seq-lab report all_languages --by data/corpus
seq2seq-lab report beam_curve --store docs/reproductions/studies/beam_curve.tar.xz
seq2seq-lab report docs/reproductions/studies/beam_curve.tar.xz --reproduction docs/reproductions
seq2seq-lab report docs/reproductions/studies/*.tar.xz --atlas docs/atlas.yaml --out docs
"""

import argparse
import contextlib
from pathlib import Path

from seq2seq_lab import errors
from seq2seq_lab.config.command_line import Parser

ROOT = Path("outputs") / "reports"
"""Where the report of several studies lies unless `--out` says otherwise."""


def parser() -> Parser:
    flags = Parser(description=__doc__.partition("\n")[0])
    flags.add_argument(
        "study", nargs="+",
        help="the folder of a study, its name under outputs/studies, or a stored one (NAME.tar.xz); of several studies "
        "one table is made",
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
        "--searches", action="store_true", default=None,
        help="each search of the runs is an arm (by itself where the study's prediction names one)",
    )  # fmt: skip
    flags.add_argument(
        "--by", metavar="FACTOR",
        help="make one table with a column for each value of a factor, as data/corpus",
    )  # fmt: skip
    flags.add_argument(
        "--out", metavar="FOLDER",
        help=f"where the report of several studies, or of a stored one, goes (default: {ROOT}/NAMES)",
    )  # fmt: skip
    flags.add_argument(
        "--store", metavar="FILE.tar.xz",
        help="pack what a report of the study needs into one small file, instead of a report",
    )  # fmt: skip
    flags.add_argument(
        "--reproduction", metavar="FOLDER",
        help="write NAME.md and NAME.svg of each study, which say what its prediction came to, instead of a report",
    )  # fmt: skip
    flags.add_argument(
        "--atlas", metavar="FILE.yaml",
        help="one page of effects by design choice, from the bars that the file declares (docs/reports.md)",
    )  # fmt: skip
    return flags


def main(arguments: argparse.Namespace) -> None:
    from seq2seq_lab.study.matrix import find_study
    from seq2seq_lab.study.stored_study import opened

    given = [find_study(text) for text in arguments.study]
    with contextlib.ExitStack() as stack:
        places = [stack.enter_context(opened(place)) for place in given]
        if arguments.atlas:
            _atlas(places, arguments)
            return
        if arguments.store or arguments.reproduction:
            _publish(places, arguments)
            return
        is_one = len(places) == 1 and not arguments.by
        path = _one(given[0], places[0], arguments) if is_one else _several(places, arguments)
        print(errors.printable((path.parent / "report.md").read_text(encoding="utf-8")))
        print(errors.one_line(f"Report: {path}"))


def _atlas(places: list[Path], arguments: argparse.Namespace) -> None:
    from seq2seq_lab.report.atlas import read_atlas
    from seq2seq_lab.report.atlas_page import gaps, write_atlas

    for flag in ("metric", "scores", "by", "figures", "store", "reproduction"):
        if getattr(arguments, flag):
            raise errors.ConfigError(f"--{flag}: does not go with --atlas; leave it away")
    atlas = read_atlas(Path(arguments.atlas), places)
    path = write_atlas(atlas, Path(arguments.out) if arguments.out else ROOT / "atlas")
    for text in gaps(atlas):
        print(errors.one_line(text))
    print(errors.one_line(f"Atlas: {path}, {len(atlas.effects)} effects"))


def _publish(places: list[Path], arguments: argparse.Namespace) -> None:
    """Store a study, write the pages of reproductions, or both."""
    from seq2seq_lab.report.reproduction_page import write_reproduction
    from seq2seq_lab.study.stored_study import store

    for flag in ("metric", "scores", "by", "figures", "out"):
        if getattr(arguments, flag):
            raise errors.ConfigError(
                f"--{flag}: belongs to a report; leave it away with --store or --reproduction"
            )
    if arguments.store:
        if len(places) > 1:
            raise errors.ConfigError(f"--store {arguments.store}: takes one study")
        size = store(places[0], Path(arguments.store))
        print(errors.one_line(f"Stored: {arguments.store}, {size:,} bytes"))
    for place in places if arguments.reproduction else ():
        path = write_reproduction(place, Path(arguments.reproduction))
        print(errors.one_line(f"Reproduction: {path}"))


def _one(given: Path, place: Path, arguments: argparse.Namespace) -> Path:
    from seq2seq_lab.report.page import write_report

    is_stored = place != given
    if arguments.out and not is_stored:
        raise errors.ConfigError(
            f"--out {arguments.out}: the report of one study goes to {place / 'report'}; "
            "give several studies, or leave --out away"
        )
    folder = Path(arguments.out) if arguments.out else ROOT / place.name
    return write_report(
        place, arguments.metric, arguments.scores, with_figures=arguments.figures,
        searches=arguments.searches, place=folder if is_stored else None,
    )  # fmt: skip


def _several(places: list[Path], arguments: argparse.Namespace) -> Path:
    if arguments.scores:
        raise errors.ConfigError(
            f"--scores {arguments.scores}: belongs to the runs of one study; give one study, without --by"
        )
    if arguments.searches:
        raise errors.ConfigError(
            "--searches: belongs to the runs of one study; give one study, without --by"
        )
    from seq2seq_lab.report.several import read_several
    from seq2seq_lab.report.several_page import write_several

    several = read_several(places, arguments.metric, arguments.by)
    name = "+".join(place.resolve().name for place in places)
    by = f" by {arguments.by}".replace("/", ".") if arguments.by else ""
    folder = Path(arguments.out) if arguments.out else ROOT / f"{name}{by}".replace(" ", "_")[:150]
    return write_several(several, folder, with_figures=arguments.figures)
