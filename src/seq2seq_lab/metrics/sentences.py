"""Scores of single sentences and of sentences of similar length, by every row of METRICS."""

import math
from dataclasses import dataclass

import numpy as np

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.metrics.accuracy import length_quarters
from seq2seq_lab.metrics.bleu import bleu_tokenizer
from seq2seq_lab.metrics.metric import Array, Metric
from seq2seq_lab.metrics.table import METRICS


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


def sentence_statistics(
    pairs: list[Pair], hypotheses: list[str], target_language: str
) -> SentenceStatistics:
    """Count for every row of METRICS, under the tokeniser of the language."""
    settings = f"tok:{bleu_tokenizer(target_language)}"
    metrics = {name: row.made_as(settings) for name, row in METRICS.items()}
    references = [pair.target for pair in pairs]
    vectors = {name: row.statistics([hypotheses], references)[0] for name, row in metrics.items()}
    return SentenceStatistics(metrics, vectors)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
