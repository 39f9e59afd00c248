"""Bootstrap over sentences: how far a corpus score could lie from what it is under other sentences of the same kind.

The draws and the interval are sacreBLEU's own (Koehn 2004), for every row of METRICS.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from seq2seq_lab.metrics.metric import Array, Metric, as_references, check_parallel
from seq2seq_lab.metrics.table import METRICS

SEED = 12345
"""sacreBLEU's own; the draws are the same in every process."""
SAMPLES = 1_000
_BLOCK = 4_000_000
"""Most numbers in one block of draws."""
Values = NDArray[np.floating]
"""sacreBLEU resamples in float32, and so do its scores come out."""


def sentence_draws(sentences: int, samples: int = SAMPLES) -> Array:
    """Return how often each sentence is drawn, (samples, sentences)."""
    return np.concatenate(list(_blocks_of_draws(sentences, samples)))


def _blocks_of_draws(sentences: int, samples: int) -> Iterator[Array]:
    """Give the draws in blocks of samples, so that a large corpus needs no more memory than a small one."""
    generator = np.random.default_rng(SEED)
    most = max(_BLOCK // sentences, 1)
    for begin in range(0, samples, most):
        rows = min(most, samples - begin)
        chosen = generator.choice(sentences, size=(rows, sentences), replace=True)
        chosen += np.arange(rows)[:, None] * sentences
        counts = np.bincount(chosen.ravel(), minlength=rows * sentences)
        yield counts.reshape(rows, sentences).astype(np.float64)


def resampled_sums(statistics: Array, samples: int = SAMPLES) -> Array:
    """Return the sums of resampled corpora, (samples, width); `statistics` is (sentences, width)."""
    blocks = _blocks_of_draws(len(statistics), samples)
    return np.concatenate([draws @ statistics for draws in blocks])  # whole numbers: exact


def resampled_scores(metric: Metric, statistics: Array, samples: int = SAMPLES) -> Values:
    """Return the scores of resampled corpora, (samples,); `statistics` is (sentences, width)."""
    return metric.library_score(resampled_sums(statistics, samples).astype(np.float32))


def middle(values: Values) -> tuple[float, float]:
    """Return the ends of the middle 95 %, by sacreBLEU's rule."""
    ordered, skipped = np.sort(values), len(values) // 40
    return float(ordered[skipped]), float(ordered[len(values) - skipped - 1])


def bootstrap_interval(
    name: str,
    hypotheses: Sequence[str],
    references: Sequence[str | tuple[str, ...]],
    *,
    tokenize: str,
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval over sentences of a row of METRICS: sacreBLEU's mean -+ half-width.

    A reference is a text, or several for one sentence.
    Raises `ValueError` for a name that has no row. It says nothing about the seed of the training run.
    """
    check_parallel(hypotheses, references)
    if name not in METRICS:
        known = ", ".join(METRICS)
        raise ValueError(f"{name}: no interval over sentences for it; choose one of {known}")
    metric = METRICS[name].made_as(f"tok:{tokenize}")
    statistics = metric.statistics_of_several([hypotheses], as_references(references))[0]
    return intervals_of({name: metric}, {name: statistics})[name]


def intervals_of(
    metrics: Mapping[str, Metric], statistics: Mapping[str, Array]
) -> dict[str, tuple[float, float]]:
    """Return the 95 % bootstrap intervals of several metrics from the vectors of the sentences, (sentences, width)."""
    from sacrebleu.significance import estimate_ci

    found, begin = {}, 0
    sums = resampled_sums(np.hstack([statistics[name] for name in metrics])).astype(np.float32)
    for name, metric in metrics.items():
        end = begin + statistics[name].shape[1]
        mean, half = map(float, estimate_ci(metric.library_score(sums[:, begin:end])))
        found[name] = mean - half, mean + half
        begin = end
    return found
