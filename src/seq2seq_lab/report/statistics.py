"""Statistics of a study: means and intervals of arms, and differences judged over sentences and seeds together.

A difference of two arms varies because training has a seed and because the test set is a sample of sentences. The
scores of n seeds on N sentences give two pieces of its variance: A, the variance between seeds of the mean, and B,
what the sentences add beyond it (the two-way decomposition of Owen 2007, on jackknife values, so that it holds for
BLEU). The half-width is

    sqrt(t[n-1]^2 A + t[N-1]^2 B),

each piece with the t quantile of its own degrees of freedom. Resampling three seeds (hierarchical bootstrap) and
Welch-Satterthwaite degrees of freedom for A + B both reject a true null too often with few seeds; this form does not
(measured in tests/report/test_coverage.py, reported in docs/log.md). Its p-value is the level at which the interval
touches 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from seq2seq_lab.metrics.metric import Array, Metric
from seq2seq_lab.report import resampling
from seq2seq_lab.report.t_distribution import detectable_shift, two_sided_quantile, two_sided_tail

LEVEL = 0.05
_LOWEST_P = 1e-100
"""Where the search for a p-value ends."""
ONE_SEED = "1 seed: says nothing about the seed"
NO_SENTENCES = "over seeds only"


@dataclass(frozen=True)
class Scores:
    """One arm under one metric: `values` (seeds,), and (seeds, sentences, width) sums if sentences determine it."""

    seeds: tuple[int, ...]
    values: Array
    metric: Metric | None = None
    statistics: Array | None = None

    def of_seeds(self, seeds: Sequence[int]) -> "Scores":
        """Return the runs with these seeds, in this order."""
        rows = [self.seeds.index(seed) for seed in seeds]
        statistics = None if self.statistics is None else self.statistics[rows]
        return Scores(tuple(seeds), self.values[rows], self.metric, statistics)


def scores_of(metric: Metric, seeds: Sequence[int], statistics: Array) -> Scores:
    """Return the scores that statistics of shape (seeds, sentences, width) amount to."""
    return Scores(tuple(seeds), metric.score(statistics.sum(1)), metric, statistics)


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its 95 % interval; NaN where a number cannot be known."""

    mean: float
    deviation: float
    low: float
    high: float
    note: str = ""


@dataclass(frozen=True)
class Spread:
    """The variance of a mean over seeds and sentences: between seeds, and what sentences add."""

    between_seeds: float
    sentences: float
    num_seeds: int
    num_sentences: int

    def half_width(self, level: float = LEVEL) -> float:
        """Return half of the interval that leaves out `level`."""
        width = self.between_seeds * two_sided_quantile(level, self.num_seeds - 1.0) ** 2
        if self.sentences > 0.0:
            width += self.sentences * two_sided_quantile(level, self.num_sentences - 1.0) ** 2
        return math.sqrt(width)

    def p_value(self, difference: float) -> float:
        """Return the level whose interval just reaches 0; 0 if nothing varies at all."""
        found, total = abs(difference), self.between_seeds + self.sentences
        if found == 0.0 or total <= 0.0:
            return float(found == 0.0)
        if self.sentences == 0.0:
            return two_sided_tail(found / math.sqrt(total), self.num_seeds - 1.0)
        # both pieces on the lighter tail, and on the heavier one, are ends to search between
        ends = [
            two_sided_tail(found / math.sqrt(total), n - 1.0)
            for n in (self.num_seeds, self.num_sentences)
        ]

        def excess(log_p: float) -> float:
            return math.log(max(self.half_width(math.exp(log_p)), 1e-300) / found)

        low, high = math.log(max(min(ends), _LOWEST_P)), math.log(max(*ends, _LOWEST_P))
        if excess(high) >= 0.0 or excess(low) <= 0.0:  # rounding, or below _LOWEST_P
            return math.exp(high if excess(high) >= 0.0 else low)
        return math.exp(brentq(excess, low, high, xtol=1e-14))

    def smallest_effect(self) -> float:
        """Return the true difference that this many seeds and sentences show with 80 % power at 5 %."""
        width = self.between_seeds * detectable_shift(self.num_seeds - 1.0) ** 2
        if self.sentences > 0.0:
            width += self.sentences * detectable_shift(self.num_sentences - 1.0) ** 2
        return math.sqrt(width)


def spread(values: Array, influences: Array | None) -> Spread:
    """Decompose the variance of the mean of `values` (seeds,), given influences (seeds, sentences) if there are any."""
    seeds = len(values)
    between = float(values.var(ddof=1)) / seeds
    if influences is None or influences.shape[1] < 2:
        return Spread(between, 0.0, seeds, 1)
    sentences = influences.shape[1]
    by_sentence = influences.mean(0)
    rest = influences - by_sentence - influences.mean(1, keepdims=True) + influences.mean()
    both = float((rest**2).sum()) / ((seeds - 1) * (sentences - 1)) / (seeds * sentences)
    added = float(by_sentence.var(ddof=1)) / sentences - both
    return Spread(between, max(added, 0.0), seeds, sentences)


def influences_of(scores: Scores) -> Array | None:
    """Return the jackknife values (seeds, sentences), or None if sentences do not determine the metric."""
    if scores.metric is None or scores.statistics is None:
        return None
    return np.array([resampling.influence(scores.metric, rows) for rows in scores.statistics])


def over_seeds(scores: Scores) -> Interval:
    """Return mean, standard deviation and t interval over seeds; with one seed the interval over sentences."""
    mean, nan = float(scores.values.mean()), math.nan
    if len(scores.values) > 1:
        deviation = float(scores.values.std(ddof=1))
        half = spread(scores.values, None).half_width()
        return Interval(mean, deviation, mean - half, mean + half)
    if scores.metric is None or scores.statistics is None:
        return Interval(mean, nan, nan, nan, ONE_SEED)
    return Interval(mean, nan, *resampling.bootstrap(scores.metric, scores.statistics[0]), ONE_SEED)


def over_seeds_and_sentences(scores: Scores) -> Interval:
    """Return the mean with the interval that covers other seeds and other sentences."""
    if len(scores.values) == 1:
        return over_seeds(scores)
    mean, deviation = float(scores.values.mean()), float(scores.values.std(ddof=1))
    half = spread(scores.values, influences_of(scores)).half_width()
    return Interval(mean, deviation, mean - half, mean + half)


@dataclass(frozen=True)
class Comparison:
    """An arm minus the baseline. NaN stands for what cannot be known from these runs."""

    difference: float
    low: float
    high: float
    p: float
    num_seeds: int
    smallest_effect: float = math.nan
    bootstrap_low: float = math.nan
    bootstrap_high: float = math.nan
    p_permutation: float = math.nan
    note: str = ""


def compare(baseline: Scores, arm: Scores, *, with_resampling: bool = True) -> Comparison:
    """Compare two arms on the seeds that both have, paired by seed and by sentence.

    One common seed: sacreBLEU's paired bootstrap over sentences. No common seed, or a metric that sentences do not
    determine and one seed: only the difference of the means.
    """
    common = [seed for seed in baseline.seeds if seed in arm.seeds]
    if not common:
        difference, nan = float(arm.values.mean() - baseline.values.mean()), math.nan
        return Comparison(difference, nan, nan, nan, 0, note="no common seed")
    one, other = baseline.of_seeds(common), arm.of_seeds(common)
    if len(common) == 1:
        return _compare_single_runs(one, other, with_resampling=with_resampling)
    changes = other.values - one.values
    difference = float(changes.mean())
    paired = _same_sentences(one, other)
    of_one, of_other = influences_of(one), influences_of(other)
    known = paired and of_one is not None and of_other is not None
    found = spread(changes, of_other - of_one if known else None)  # type: ignore[operator]
    half = found.half_width()
    boot = (math.nan, math.nan)
    if known and with_resampling:
        boot = resampling.hierarchical_bootstrap(one.metric, one.statistics, other.statistics)  # type: ignore[arg-type]
    return Comparison(
        difference, difference - half, difference + half, found.p_value(difference), len(common),
        found.smallest_effect(), *boot, resampling.sign_flip(changes), "" if known else NO_SENTENCES,
    )  # fmt: skip


def _same_sentences(one: Scores, other: Scores) -> bool:
    return (
        one.statistics is not None
        and other.statistics is not None
        and one.metric == other.metric
        and one.statistics.shape == other.statistics.shape
    )


def _compare_single_runs(one: Scores, other: Scores, *, with_resampling: bool) -> Comparison:
    difference, nan = float(other.values[0] - one.values[0]), math.nan
    if not _same_sentences(one, other):
        return Comparison(difference, nan, nan, nan, 1, note=ONE_SEED)
    runs = one.metric, one.statistics[0], other.statistics[0]  # type: ignore[index]
    boot = resampling.paired_bootstrap(*runs)  # type: ignore[arg-type]
    swapped = resampling.approximate_randomization(*runs) if with_resampling else nan  # type: ignore[arg-type]
    return Comparison(
        difference, boot.low, boot.high, boot.p, 1, nan, boot.low, boot.high, swapped, ONE_SEED
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979): the familywise error stays at the level.

    NaN (a comparison that was not possible) stays NaN and does not count.
    """
    order = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    corrected, worst = [math.nan] * len(p_values), 0.0
    for rank, (p, i) in enumerate(order):
        worst = max(worst, min(1.0, p * (len(order) - rank)))
        corrected[i] = worst
    return corrected
