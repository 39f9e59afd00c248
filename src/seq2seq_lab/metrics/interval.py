"""Bootstrap over sentences: how far a corpus score could lie from what it is under other sentences of the same kind.

The draws and the interval are sacreBLEU's own (Koehn 2004), for every row of METRICS.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seq2seq_lab.metrics.metric import Array, Metric, check_parallel
from seq2seq_lab.metrics.table import METRICS

SEED = 12345
"""sacreBLEU's own; the draws are the same in every process."""
SAMPLES = 1_000
Values = NDArray[np.floating]
"""sacreBLEU resamples in float32, and so do its scores come out."""


def sentence_draws(sentences: int, samples: int = SAMPLES) -> Array:
    """Return how often each sentence is drawn, (samples, sentences)."""
    generator = np.random.default_rng(SEED)
    chosen = generator.choice(sentences, size=(samples, sentences), replace=True)
    chosen += np.arange(samples)[:, None] * sentences
    counts = np.bincount(chosen.ravel(), minlength=samples * sentences)
    return counts.reshape(samples, sentences).astype(np.float64)


def resampled_scores(metric: Metric, statistics: Array, samples: int = SAMPLES) -> Values:
    """Return the scores of resampled corpora, (samples,); `statistics` is (sentences, width)."""
    sums = sentence_draws(len(statistics), samples) @ statistics  # whole numbers: exact
    return metric.library_score(sums.astype(np.float32))


def middle(values: Values) -> tuple[float, float]:
    """Return the ends of the middle 95 %, by sacreBLEU's rule."""
    ordered, skipped = np.sort(values), len(values) // 40
    return float(ordered[skipped]), float(ordered[len(values) - skipped - 1])


def bootstrap_interval(
    name: str, hypotheses: Sequence[str], references: Sequence[str], *, tokenize: str
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval over sentences of a row of METRICS: sacreBLEU's mean -+ half-width.

    Raises `ValueError` for a name that has no row. It says nothing about the seed of the training run.
    """
    from sacrebleu.significance import estimate_ci

    check_parallel(hypotheses, references)
    if name not in METRICS:
        known = ", ".join(METRICS)
        raise ValueError(f"{name}: no interval over sentences for it; choose one of {known}")
    metric = METRICS[name].made_as(f"tok:{tokenize}")
    scores = resampled_scores(metric, metric.statistics([hypotheses], references)[0])
    mean, half = map(float, estimate_ci(scores))
    return mean - half, mean + half
