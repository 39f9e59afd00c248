"""Measure by simulation how often tests of two arms find what is there, and what is not, as in docs/statistics.md.

python scripts/power.py linear --repetitions 10000    # a linear metric: share of the seeds, unequal arms, heavy tails
python scripts/power.py bleu STUDY                    # resampled hypotheses of a study: one or two arms, many seeds
python scripts/power.py plan                          # power at the seeds that `seq2seq-lab plan` asks for
python scripts/power.py plan STUDY                    # the same with BLEU of resampled hypotheses
"""

import argparse
import math
import sys
from dataclasses import replace

import numpy as np

from power_hypotheses import bleu, plan_bleu
from power_procedures import PROCEDURES, ours, rates, show, simulate
from seq2seq_lab import errors
from seq2seq_lab.metrics.metric import Array
from seq2seq_lab.report.planning import Pilot, power, seeds_needed

SHARES = (0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


def linear(arguments: argparse.Namespace) -> None:
    """Print false positives and power, by seeds and by the share of the variance that comes from seeds."""

    def heavy(shape: tuple[int, ...]) -> Array:
        return generator.standard_t(3, shape) / math.sqrt(3.0)

    kinds = {
        "arms alike, nothing together": (0.5, 0.0, None),
        "arms alike, half of A together": (0.5, 0.5, None),
        "one arm 3 times the deviation": (0.9, 0.0, None),
        "one arm 3 times the deviation, a quarter together": (0.9, 0.25, None),
        "seeds of one arm only": (1.0, 0.0, None),
        "heavy tails (t with 3)": (0.5, 0.0, heavy),
    }
    for kind, (split, together, draw) in kinds.items():
        for num_seeds in arguments.seeds:
            for size in arguments.sentences:
                found = []
                for share in SHARES:
                    generator = np.random.default_rng(
                        [arguments.seed, num_seeds, size, int(100 * share)]
                    )
                    pieces = (share * split, share * (1.0 - split))
                    sizes = (arguments.repetitions, num_seeds, size)
                    drawn = simulate(generator, *sizes, pieces, together, 1.0 - share, draw)
                    found.append(rates(drawn))
                rows = [
                    [name, *(f"{one[name][0]:.1f} / {one[name][1]:.0f}" for one in found)]
                    for name in PROCEDURES
                ]
                head = f"{kind}: {num_seeds} seeds, {size} sentences (false positives / power in 100 of the oracle's)"
                show(head, ["share of seeds", *map(str, SHARES)], rows)


def plan(arguments: argparse.Namespace) -> None:
    """Print the power found at the seeds that a plan asks for, from true variances and from pilots."""
    if arguments.study:
        return plan_bleu(arguments)
    rows = []
    for share in (0.3, 0.6, 0.9):
        for shift in (1.0, 0.7, 0.4):
            # variances of single runs; one seed for each arm would have the variance 1 in all
            truth = Pilot(
                (share / 2, share / 2), (share / 8, share / 8), (1 - share) / 20, (3, 3), 1000
            )
            cells = [f"{share:.1f}", f"{shift:.1f}"]
            needed = seeds_needed(truth, shift, 0.8, 1000)
            cells += (
                ["-", "-"]
                if needed is None
                else [str(needed), f"{found_power(arguments, truth, needed, shift):.3f}"]
            )
            for pilot_seeds in (3, 5, 10):
                asked = [
                    seeds_needed(one, shift, 0.8, 1000) or 1000
                    for one in pilots(arguments, truth, pilot_seeds)
                ]
                powers = [power(truth.at(n, 1000), shift) for n in asked]
                low, high = np.quantile(asked, [0.1, 0.9])
                cells.append(f"{np.mean(powers):.2f} ({low:.0f} to {high:.0f} seeds)")
            rows.append(cells)
    head = (
        "plan: asked 0.8, found (1,000 sentences; from a pilot: mean, and 80 % of the seeds asked)"
    )
    show(
        head,
        [
            "share of seeds",
            "effect",
            "seeds by true variances",
            "found",
            "pilot of 3",
            "pilot of 5",
            "pilot of 10",
        ],
        rows,
    )


def found_power(
    arguments: argparse.Namespace, truth: Pilot, num_seeds: int, effect: float
) -> float:
    true, generator = truth.at(num_seeds, 1000), np.random.default_rng([arguments.seed, num_seeds])
    pieces = (true.arms[0].variance, true.arms[1].variance)
    share = true.arms[0].together / true.arms[0].variance
    s = simulate(generator, arguments.repetitions, num_seeds, 1000, pieces, share, true.sentences)
    return float((np.abs(s.difference + effect) > ours(s)).mean())


def pilots(
    arguments: argparse.Namespace, truth: Pilot, num_seeds: int, count: int = 30
) -> list[Pilot]:
    """Return what pilots of so many seeds would say."""
    generator = np.random.default_rng([arguments.seed, 7, num_seeds])
    factors = generator.chisquare(num_seeds - 1, (count, 2)) / (num_seeds - 1)
    return [
        replace(
            truth,
            num_seeds=(num_seeds, num_seeds),
            seeds=tuple(np.maximum(f * truth.seeds, truth.together).tolist()),
        )
        for f in factors
    ]


def main() -> int:
    flags = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    flags.add_argument("what", choices=("linear", "bleu", "plan"))
    flags.add_argument("study", nargs="?", help="bleu, plan: folder or name of a study of two arms")
    flags.add_argument("--repetitions", type=int, default=4000)
    flags.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 5])
    flags.add_argument("--sentences", type=int, nargs="+", default=[100, 1000])
    flags.add_argument("--seed", type=int, default=1)
    arguments = flags.parse_args()
    if arguments.what == "bleu" and not arguments.study:
        raise errors.ConfigError("bleu: a study is missing")
    {"linear": linear, "bleu": bleu, "plan": plan}[arguments.what](arguments)
    return 0


if __name__ == "__main__":
    sys.exit(errors.run(main))
