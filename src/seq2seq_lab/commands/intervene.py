"""Replace the attention weights of finished runs at test time, and compare what they write and what they lose.

seq2seq-lab intervene attention_vs_none --output interventions
seq2seq-lab intervene outputs/<name>/<seed 1> outputs/<name>/<seed 2> --only uniform,hard

Nothing is trained. Each run decodes its test split again under every intervention of conf/decoding/intervention and
scores the references teacher-forced. `none` is the baseline: the learned weights. The runs of an arm are its seeds,
compared seed by seed and sentence by sentence as in the report of a study; `other_seed` gives a run the weights of
the next seed of its arm.
"""

import argparse
from pathlib import Path

from seq2seq_lab import errors
from seq2seq_lab.config.command_line import Parser
from seq2seq_lab.config.problems import closest


def parser() -> Parser:
    flags = Parser(description=__doc__.partition("\n")[0])
    flags.add_argument(
        "runs", nargs="+", help="a study, by its name or folder, or the run folders of one arm"
    )
    flags.add_argument("--output", default="interventions", help="folder for all that is found")
    flags.add_argument("--only", metavar="NAMES", help="some of the interventions, as uniform,hard")
    flags.add_argument("--metric", default="test/bleu", help="test/NAME (default: test/bleu)")
    flags.add_argument("--batch-size", type=int, default=64, metavar="N", help="sentences")
    flags.add_argument("--device", default="cpu", help="cpu, cuda ...")
    return flags


def chosen(only: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the interventions that `--only` names, all without it."""
    names = known if only is None else tuple(dict.fromkeys(only.split(",")))
    for name in names:
        if name not in known:
            guess = closest(name, known) or f"; there are {', '.join(known)}"
            raise errors.ConfigError(f"--only {name}: no such intervention{guess}")
    return names


def main(arguments: argparse.Namespace) -> None:
    if arguments.batch_size < 1:
        raise errors.ConfigError(f"--batch-size {arguments.batch_size}: must be >= 1; 64 is usual")
    if not arguments.metric.startswith("test/"):
        raise errors.ConfigError(f"--metric {arguments.metric}: must be test/NAME, as test/bleu")
    from seq2seq_lab.report import interventions

    names = chosen(arguments.only, interventions.INTERVENTIONS)
    folder = Path(arguments.output)
    setting = interventions.Setting(
        folder, names, arguments.metric, arguments.batch_size, arguments.device
    )
    for arm, runs in interventions.arms_of([Path(run) for run in arguments.runs]).items():
        print(errors.printable(interventions.intervene(arm, runs, setting)))
    print(errors.one_line(f"stored in {folder}/"))
