"""Scores of single sentences and of sentences of similar length, by every row of METRICS."""

import math
from dataclasses import dataclass

import numpy as np

from seq2seq_lab.metrics.accuracy import length_quarters
from seq2seq_lab.metrics.metric import Array, Metric


@dataclass(frozen=True)
class SentenceStatistics:
    """What each metric counts in each sentence of a split, counted once: (sentences, width) by name."""

    metrics: dict[str, Metric]
    vectors: dict[str, Array]

    def scores(self) -> dict[str, list[float | None]]:
        """Return the score of each sentence by metric; None where a metric is not defined."""
        found = {
            name: row.sentence_scores(self.vectors[name]) for name, row in self.metrics.items()
        }
        return {name: [_finite(x) for x in values.tolist()] for name, values in found.items()}

    def by_length_quarter(self, sources: list[str]) -> dict[str, list[float | None]]:
        """Return by label the corpus score of each quarter of the sources, shortest quarter first."""
        quarters, found = length_quarters(sources), {}
        for name, row in self.metrics.items():
            sums = np.stack([self.vectors[name][quarter].sum(0) for quarter in quarters])
            found[row.label] = [_finite(x) for x in row.score(sums).tolist()]
        return found


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
