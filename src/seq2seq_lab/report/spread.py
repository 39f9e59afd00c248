"""The variance of a mean, or of a difference of two, over seeds and sentences; its interval, p-value and power.

The scores of n seeds on N sentences give the pieces (the two-way decomposition of Owen 2007, on jackknife values, so
that it holds for BLEU): for each arm A, the variance of its mean between seeds, and for the difference B, what the
sentences add. Of A a part C is known well: what seeds and sentences do together, found in n N values and not in n. It
is the least that A can be, so a smaller estimate is raised to it. With V = sum A + B the half-width is t[f] sqrt(V),
and the degrees of freedom f follow Welch and Satterthwaite with two changes,

    1 / f = r^1.5 / g + (B / V)^2 / (N - 1),   r = sum U / V,   g = (sum U)^2 / sum (U^2 / (n - 1)),   U = A - C / 4.

Their own exponent 2 rejects a true null too often with few seeds, and so does U = A - C; with U = A and a quantile for
each piece there is too little power. docs/statistics.md has the alternatives and the error rates.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seq2seq_lab.metrics.metric import Array
from seq2seq_lab.report.t_distribution import (
    detectable_shift,
    two_sided_quantile,
    two_sided_tail,
)

LEVEL = 0.05
POWER = 0.8
EXPONENT = 1.5
KNOWN_SHARE = 0.25
"""So much of what seeds and sentences do together counts as known exactly."""


@dataclass(frozen=True)
class SeedPiece:
    """The variance of one arm's mean between seeds, and the part of it that seeds and sentences make together."""

    variance: float
    together: float
    num_seeds: int

    @property
    def raised(self) -> float:
        """The variance, but at least what is certain of it."""
        return max(self.variance, self.together)


@dataclass(frozen=True)
class Spread:
    """The variance of a mean or a difference: a piece for the seeds of each arm, and what sentences add."""

    arms: tuple[SeedPiece, ...]
    sentences: float = 0.0
    num_sentences: int = 1

    @property
    def total(self) -> float:
        """The variance V."""
        return sum(arm.raised for arm in self.arms) + self.sentences

    @property
    def degrees_of_freedom(self) -> float:
        """The degrees of freedom f; of a variance of 0 those of the seeds."""
        most = float(sum(arm.num_seeds - 1 for arm in self.arms))
        unknown = [arm.raised - KNOWN_SHARE * arm.together for arm in self.arms]
        # shares, so that no tiny variance is squared
        seeds, total = sum(unknown), self.total
        inverse = 0.0
        if seeds > 0.0:
            shares = [u / seeds for u in unknown]
            parts = zip(shares, self.arms, strict=True)
            inverse = sum(share**2 / (arm.num_seeds - 1) for share, arm in parts)
            inverse *= (seeds / total) ** EXPONENT
        if self.sentences > 0.0:
            inverse += (self.sentences / total) ** 2 / (self.num_sentences - 1)
        return 1.0 / inverse if inverse > 0.0 else most

    def half_width(self, level: float = LEVEL) -> float:
        """Return half of the interval that leaves out `level`."""
        return two_sided_quantile(level, self.degrees_of_freedom) * math.sqrt(self.total)

    def p_value(self, difference: float) -> float:
        """Return the level whose interval just reaches 0; 0 if nothing varies at all."""
        if difference == 0.0 or self.total <= 0.0:
            return float(difference == 0.0)
        return two_sided_tail(difference / math.sqrt(self.total), self.degrees_of_freedom)

    def smallest_effect(self) -> float:
        """Return the true difference that this many seeds and sentences show with 80 % power at 5 %."""
        return detectable_shift(self.degrees_of_freedom, POWER, LEVEL) * math.sqrt(self.total)


def spread(values: Sequence[Array], influences: Sequence[Array] | None) -> Spread:
    """Decompose the variance of a mean of values (seeds,), or of a difference of the means of two such arms.

    `influences` holds for each arm the jackknife values (seeds, sentences), if sentences determine the metric.
    """
    if influences is not None and len(influences) == 2:
        influences = [influences[0], -influences[1]]
    return spread_of_sum(values, influences)


def spread_of_sum(values: Sequence[Array], influences: Sequence[Array] | None) -> Spread:
    """Decompose the variance of the sum of the means of arms; whoever subtracts an arm gives its negatives."""
    between = [float(one.var(ddof=1)) / len(one) for one in values]
    if influences is None or influences[0].shape[1] < 2:
        return Spread(
            tuple(SeedPiece(a, 0.0, len(v)) for a, v in zip(between, values, strict=True))
        )
    sentences = influences[0].shape[1]
    together = [_together(one) for one in influences]
    by_sentence = np.sum([one.mean(0) for one in influences], axis=0)
    added = float(by_sentence.var(ddof=1)) / sentences - sum(together)
    pieces = zip(between, together, map(len, values), strict=True)
    return Spread(tuple(SeedPiece(*piece) for piece in pieces), max(added, 0.0), sentences)


def _together(influences: Array) -> float:
    """Return the variance of an arm's mean that comes from seeds and sentences together."""
    seeds, sentences = influences.shape
    rest = influences - influences.mean(0) - influences.mean(1, keepdims=True) + influences.mean()
    return float((rest**2).sum()) / ((seeds - 1) * (sentences - 1)) / (seeds * sentences)
