"""Statistics of a study: means and intervals of arms, and differences judged over sentences and seeds together.

A difference of two arms varies because training has a seed and because the test set is a sample of sentences. `spread`
takes the pieces of its variance from scores of n seeds on N sentences, `spread.Spread` makes the interval and the
p-value of them: the level at which the interval touches 0. Arms share their sentences and need not share their seeds.
How the procedure was found, what it rejects by chance and what it finds: docs/statistics.md.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seq2seq_lab.metrics.metric import Array, Metric
from seq2seq_lab.report import resampling
from seq2seq_lab.report.spread import Spread, spread

ONE_SEED = "1 seed: says nothing about the seed"
NO_SENTENCES = "over seeds only"


@dataclass(frozen=True)
class Scores:
    """One arm under one metric: `values` (seeds,), and (seeds, sentences, width) sums if sentences determine it.

    `models` says which trained model each value is of, where several arms have the same ones; empty if it is not known.
    """

    seeds: tuple[int, ...]
    values: Array
    metric: Metric | None = None
    statistics: Array | None = None
    models: tuple[str, ...] = ()

    def of_seeds(self, seeds: Sequence[int]) -> "Scores":
        """Return the runs with these seeds, in this order."""
        rows = [self.seeds.index(seed) for seed in seeds]
        statistics = None if self.statistics is None else self.statistics[rows]
        models = tuple(self.models[row] for row in rows) if self.models else ()
        return Scores(tuple(seeds), self.values[rows], self.metric, statistics, models)


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


def influences_of(scores: Scores) -> Array | None:
    """Return the jackknife values (seeds, sentences), or None if sentences do not determine the metric."""
    if scores.metric is None or scores.statistics is None:
        return None
    return np.array([resampling.influence(scores.metric, rows) for rows in scores.statistics])


def _spread_of(values: Array, influences: Array | None = None) -> Spread:
    return spread([values], None if influences is None else [influences])


def over_seeds(scores: Scores) -> Interval:
    """Return mean, standard deviation and t interval over seeds; with one seed the interval over sentences."""
    mean, nan = float(scores.values.mean()), math.nan
    if len(scores.values) > 1:
        deviation = float(scores.values.std(ddof=1))
        half = _spread_of(scores.values).half_width()
        return Interval(mean, deviation, mean - half, mean + half)
    if scores.metric is None or scores.statistics is None:
        return Interval(mean, nan, nan, nan, ONE_SEED)
    return Interval(mean, nan, *resampling.bootstrap(scores.metric, scores.statistics[0]), ONE_SEED)


def over_seeds_and_sentences(scores: Scores) -> Interval:
    """Return the mean with the interval that covers other seeds and other sentences."""
    if len(scores.values) == 1:
        return over_seeds(scores)
    mean, deviation = float(scores.values.mean()), float(scores.values.std(ddof=1))
    half = _spread_of(scores.values, influences_of(scores)).half_width()
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
    """Compare all seeds of two arms on the same sentences; seeds are not paired, so they may differ in name and number.

    Where both arms are the same models, used in two ways, they are: only how each model changes counts then.

    One seed on each side: sacreBLEU's paired bootstrap over sentences. One seed on one side says nothing about that
    arm's seeds: the runs of the seed that both have are compared if there is one, else only the means.
    """
    fewest = min(len(baseline.seeds), len(arm.seeds))
    difference, nan = float(arm.values.mean() - baseline.values.mean()), math.nan
    if fewest == 1:
        common = [seed for seed in baseline.seeds if seed in arm.seeds]
        if len(baseline.seeds) + len(arm.seeds) > 2:
            if not common:
                return Comparison(difference, nan, nan, nan, 1, note=ONE_SEED)
            baseline, arm = baseline.of_seeds(common), arm.of_seeds(common)
        return _compare_single_runs(baseline, arm, with_resampling=with_resampling)
    paired = same_sentences(baseline, arm)
    influences = [one for one in map(influences_of, (arm, baseline)) if paired and one is not None]
    known = len(influences) == 2
    values = [arm.values, baseline.values]
    if arm.models and arm.models == baseline.models:
        values = [arm.values - baseline.values]
        influences = [influences[0] - influences[1]] if known else []
    found = spread(values, influences if known else None)
    half = found.half_width()
    boot, swapped = (nan, nan), nan
    if known and with_resampling:
        sums = (baseline.metric, baseline.statistics, arm.statistics)
        boot = resampling.hierarchical_bootstrap(*sums)  # type: ignore[arg-type]
    if with_resampling:
        swapped = resampling.exchange_seeds(baseline.values, arm.values)
    return Comparison(
        difference, difference - half, difference + half, found.p_value(difference), fewest,
        found.smallest_effect(), *boot, swapped, "" if known else NO_SENTENCES,
    )  # fmt: skip


def same_sentences(one: Scores, other: Scores) -> bool:
    """Tell whether two arms have the sums of as many sentences under the same metric."""
    return (
        one.statistics is not None
        and other.statistics is not None
        and one.metric == other.metric
        and one.statistics.shape[1:] == other.statistics.shape[1:]
    )


def _compare_single_runs(one: Scores, other: Scores, *, with_resampling: bool) -> Comparison:
    difference, nan = float(other.values[0] - one.values[0]), math.nan
    if not same_sentences(one, other):
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
