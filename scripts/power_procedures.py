"""Simulated studies of a linear metric and the procedures that scripts/power.py compares on them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri, ndtr, ndtri, stdtrit

from seq2seq_lab import errors
from seq2seq_lab.metrics.metric import Array
from seq2seq_lab.report.spread import SeedPiece, Spread


@dataclass(frozen=True)
class Studies:
    """Estimates of many studies: difference (R,), variances between seeds and `together` (R, 2), sentences (R,).

    `paired` is the variance of the mean over seeds paired by their number, `others` that of two further arms.
    """

    difference: Array
    seeds: Array
    together: Array
    sentences: Array
    paired: Array
    others: Array
    num_seeds: int
    num_sentences: int
    variance: float


def simulate(
    generator: np.random.Generator, repetitions: int, num_seeds: int, num_sentences: int, seeds: tuple[float, float],
    together: float, sentences: float, draw: Callable[[tuple[int, ...]], Array] | None = None,
) -> Studies:  # fmt: skip
    """Draw studies from the true variances of each arm's mean; of `seeds` the share `together` shrinks with sentences.

    A linear metric's means, residuals and sentence means are independent, so they are drawn as such.
    """
    shape, scale = (
        (repetitions, 4, num_seeds),
        np.sqrt(np.array([*seeds, *seeds]) * num_seeds)[:, None],
    )
    own = (draw or generator.standard_normal)(shape) * math.sqrt(1.0 - together)
    runs = scale * (own + generator.standard_normal(shape) * math.sqrt(together))
    arms = runs[:, :2]
    df = (num_seeds - 1) * (num_sentences - 1)
    both = together * np.array(seeds) * generator.chisquare(df, (repetitions, 2)) / df
    total = sentences + together * sum(seeds)
    found = total * generator.chisquare(num_sentences - 1, repetitions) / (num_sentences - 1)
    means = arms.mean(2)
    return Studies(
        means[:, 0] - means[:, 1] + math.sqrt(sentences) * generator.standard_normal(repetitions),
        arms.var(2, ddof=1) / num_seeds, both, np.maximum(found - both.sum(1), 0.0),
        (arms[:, 0] - arms[:, 1]).var(1, ddof=1) / num_seeds, runs[:, 2:].var(2, ddof=1) / num_seeds,
        num_seeds, num_sentences, sum(seeds) + sentences,
    )  # fmt: skip


# the procedures: half-widths (R,)


def t_quantile(df: Array | float) -> Array:
    return -np.asarray(stdtrit(df, 0.025))


def each_its_own(s: Studies) -> Array:
    squares = s.paired * t_quantile(s.num_seeds - 1.0) ** 2
    return np.sqrt(squares + s.sentences * t_quantile(s.num_sentences - 1.0) ** 2)


def satterthwaite(s: Studies, seeds: Array, df: Array | float, exponent: float = 2.0) -> Array:
    total = seeds + s.sentences
    inverse = (seeds / total) ** exponent / df + (s.sentences / total) ** 2 / (s.num_sentences - 1)
    return t_quantile(1.0 / inverse) * np.sqrt(total)


def two_arms(s: Studies, exponent: float) -> Array:
    seeds = s.seeds.sum(1)
    return satterthwaite(s, seeds, seeds**2 / (s.seeds**2).sum(1) * (s.num_seeds - 1), exponent)


def pooled(s: Studies) -> Array:
    every = np.concatenate([s.seeds, s.others], 1)
    return satterthwaite(s, 2.0 * every.mean(1), 4.0 * (s.num_seeds - 1))


def fiducial(s: Studies) -> Array:
    """Return the generalised interval (Weerahandi): 95 % of the differences over all variances that fit."""
    points = (np.arange(20) + 0.5) / 20
    factors = (s.num_seeds - 1) / chdtri(s.num_seeds - 1, points)
    one, other = (grid.ravel() for grid in np.meshgrid(factors, factors))
    deviations = np.sqrt(s.seeds[:, :1] * one + s.seeds[:, 1:] * other + s.sentences[:, None])
    low, high = np.zeros(len(s.difference)), 20.0 * deviations.max(1)
    for _ in range(30):
        middle = (low + high) / 2
        is_short = 2.0 * ndtr(-middle[:, None] / deviations).mean(1) > 0.05
        low, high = np.where(is_short, middle, low), np.where(is_short, high, middle)
    return high


def ours(s: Studies) -> Array:
    rows = zip(s.seeds.tolist(), s.together.tolist(), s.sentences.tolist(), strict=True)
    n, size = s.num_seeds, s.num_sentences
    return np.array([
        Spread((SeedPiece(a[0], c[0], n), SeedPiece(a[1], c[1], n)), b, size).half_width()
        for a, c, b in rows
    ])  # fmt: skip


PROCEDURES: dict[str, Callable[[Studies], Array]] = {
    "paired, a quantile for each piece (before)": each_its_own,
    "paired, Satterthwaite": lambda s: satterthwaite(s, s.paired, s.num_seeds - 1.0),
    "unpaired, fiducial": fiducial,
    "unpaired, Satterthwaite": lambda s: two_arms(s, 2.0),
    "unpaired, exponent 1": lambda s: two_arms(s, 1.0),
    "unpaired, exponent 1.5": lambda s: two_arms(s, 1.5),
    "four arms pooled, Satterthwaite": pooled,
    "chosen": ours,
}
Z = float(-ndtri(0.025))
SHIFT = Z + float(ndtri(0.8))
"""The effect, in standard errors, that an oracle finds 80 times in 100."""


def rates(s: Studies) -> dict[str, tuple[float, float]]:
    """Return for each procedure the false positives in 100, and the power in 100 of the oracle's."""
    found, effect = {}, SHIFT * math.sqrt(s.variance)
    for name, procedure in PROCEDURES.items():
        half = procedure(s)
        false = float((np.abs(s.difference) > half).mean())
        right = float((np.abs(s.difference + effect) > half).mean())
        found[name] = 100.0 * false, 100.0 * right / 0.8
    return found


def show(head: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    print(errors.printable("\n".join(["", head, "", *(f"| {' | '.join(row)} |" for row in lines)])))
