"""Resampling sentences and seeds: jackknife, paired bootstrap, approximate randomization, and several seeds at once.

For one run of each system, `paired_bootstrap` and `approximate_randomization` are sacreBLEU's `PairedTest` with the
same draws, digit for digit (Koehn 2004; Riezler and Maxwell 2005), on statistics that are already extracted.
"""

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from seq2seq_lab.metrics.interval import (
    SAMPLES,
    SEED,
    Values,
    middle,
    resampled_scores,
    sentence_draws,
)
from seq2seq_lab.metrics.metric import Array, Metric

TRIALS = 10_000


@dataclass(frozen=True)
class Resampled:
    """What resampling says of a difference; the interval holds 95 % of the resamples."""

    low: float
    high: float
    p: float


def _p_value(trials: Values, found: float) -> float:
    return (int((trials > found).sum()) + 1) / (len(trials) + 1)


def influence(metric: Metric, statistics: Array) -> Array:
    """Return for each sentence N times what the corpus score loses without it, centred: (sentences,).

    The jackknife's linearisation (Efron 1982): a score behaves like the mean of these values, so that variances over
    sentences can be taken although BLEU is no mean. For exact match it is the sentence's value minus the mean.
    """
    total, sentences = statistics.sum(0), len(statistics)
    if sentences < 2:
        return np.zeros(sentences)
    without = metric.score(total - statistics)
    return (sentences - 1.0) * (without.mean() - without)


def bootstrap(metric: Metric, statistics: Array, samples: int = SAMPLES) -> tuple[float, float]:
    """Return the bootstrap interval of one run's score over sentences; `statistics` is (sentences, width)."""
    return middle(resampled_scores(metric, statistics, samples))


def paired_bootstrap(
    metric: Metric, baseline: Array, system: Array, samples: int = SAMPLES
) -> Resampled:
    """Compare two single runs over the same sentences; both arrays are (sentences, width).

    Where no resample differs, p is 1; sacreBLEU counts resamples that differ by more than nothing and says 0.001.
    """
    scores = [resampled_scores(metric, sums, samples) for sums in (system, baseline)]
    differences = scores[0] - scores[1]
    if not differences.any():
        return Resampled(0.0, 0.0, p=1.0)
    found = metric.library_score(np.stack([baseline.sum(0), system.sum(0)]))
    centred = np.abs(differences) - np.abs(differences).mean()
    return Resampled(*middle(differences), p=_p_value(centred, abs(float(found[1] - found[0]))))


def approximate_randomization(
    metric: Metric, baseline: Array, system: Array, trials: int = TRIALS
) -> float:
    """Return the p-value of swapping the two runs' outputs sentence by sentence at random."""
    generator = np.random.default_rng(SEED)
    swap = generator.integers(2, size=(trials, len(baseline)), dtype=bool)
    one_way, other_way = swap.astype(np.float64), (~swap).astype(np.float64)
    one = metric.score(one_way @ baseline + other_way @ system)
    other = metric.score(other_way @ baseline + one_way @ system)
    found = metric.score(np.stack([baseline.sum(0), system.sum(0)]))
    return _p_value(np.abs(one - other), abs(float(found[0] - found[1])))


def hierarchical_bootstrap(
    metric: Metric, baseline: Array, system: Array, samples: int = SAMPLES
) -> tuple[float, float]:
    """Resample the seeds of each arm, then sentences, the same for both: the interval of the mean difference.

    Both arrays are (seeds, sentences, width). With few seeds it is too narrow, since three draws of three seeds spread
    less than the seeds do (tests/report/test_coverage.py has the numbers): it is shown, the decision is not made by it.
    """
    draws = sentence_draws(baseline.shape[1], samples)
    generator = np.random.default_rng(SEED + 1)
    means = []
    for sums in (system, baseline):
        scores = metric.score(draws @ sums)  # (seeds, samples)
        chosen = generator.choice(len(sums), size=(samples, len(sums)), replace=True)
        means.append(scores[chosen.T, np.arange(samples)].mean(0))
    return middle(means[0] - means[1])


def exchange_seeds(baseline: Array, system: Array) -> float:
    """Return the p-value of exchanging runs (seeds,) between the arms; with three seeds each never below 0.1.

    All ways to choose the runs of the baseline if there are 10,000 at most, else 10,000 random ones.
    """
    runs, size = np.concatenate([baseline, system]), len(baseline)
    least = abs(system.mean() - baseline.mean()) * (1.0 - 1e-12)

    def differences(chosen: NDArray[np.intp]) -> Array:
        sums = runs[chosen].sum(1)
        return np.abs(sums / size - (runs.sum() - sums) / len(system))

    if comb(len(runs), size) <= TRIALS:
        return float(
            (differences(np.array(list(combinations(range(len(runs)), size)))) >= least).mean()
        )
    order = np.random.default_rng(SEED).random((TRIALS, len(runs))).argsort(1)
    return _p_value(differences(order[:, :size]), least)
