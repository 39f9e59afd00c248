"""Corpus metrics as sums over sentences: what the bootstrap and the jackknife need.

BLEU, chrF and exact match of a corpus depend on its sentences only through a sum of one short vector for each
(n-gram counts, or 0/1). sacreBLEU makes the vectors; here they become arrays, and scores of many sums at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ORDER = 4
"""Longest n-gram of BLEU."""
CHARACTER_ORDER = 6
"""Longest n-gram of chrF."""
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """A metric that hypotheses and references determine; `name` is the key without its split, as in test/bleu."""

    name: str
    signature: str

    def statistics(self, runs: Sequence[Sequence[str]], references: Sequence[str]) -> Array:
        """Return sums of shape (runs, sentences, width) for the hypotheses of each run."""
        if self.name == "exact_match":
            hits = [[h == r for h, r in zip(run, references, strict=True)] for run in runs]
            return np.stack(
                [np.array(hits, dtype=np.float64), np.ones((len(runs), len(references)))], -1
            )
        metric = self.reference_metric(references)
        rows = [metric._extract_corpus_statistics(list(run), None) for run in runs]
        return np.array(rows, dtype=np.float64)

    def score(self, sums: Array) -> Array:
        """Return the scores (0-100) of sums of shape (..., width), for many sums at once."""
        if self.name == "exact_match":
            return 100.0 * sums[..., 0] / sums[..., 1]
        return _chrf(sums) if self.name == "chrf" else _bleu(sums)

    def reference_metric(self, references: Sequence[str] | None = None) -> Any:
        """Return sacreBLEU's own metric with the settings of the signature; exact match has none."""
        from sacrebleu.metrics import BLEU, CHRF

        cached = None if references is None else [list(references)]
        if self.name == "chrf":
            return CHRF(references=cached)
        settings = dict(part.split(":", 1) for part in self.signature.split("|"))
        lowercase = settings["case"] == "lc"
        return BLEU(tokenize=settings["tok"], lowercase=lowercase, force=True, references=cached)


def find_metric(name: str, signatures: dict[str, str]) -> Metric | None:
    """Return the metric if sentences determine it, else None (a loss, a number that only the run knew)."""
    if name == "exact_match":
        return Metric(name, "exact string match")
    known = name in {"bleu", "bleu_tok_lc", "chrf"} and name in signatures
    return Metric(name, signatures[name]) if known else None


def _bleu(sums: Array) -> Array:
    """BLEU-4 with exponential smoothing: columns are hypothesis length, reference length, matches 1-4, totals 1-4."""
    length, reference = sums[..., 0], sums[..., 1]
    correct, total = sums[..., 2 : 2 + ORDER], sums[..., 2 + ORDER :]
    with np.errstate(divide="ignore", invalid="ignore"):
        smoothing = 2.0 ** np.cumsum((correct == 0) & (total > 0), axis=-1)
        precision = np.where(correct > 0, 100.0 * correct, 100.0 / smoothing) / total
        log_mean = np.log(precision).sum(-1) / ORDER
        brevity = np.exp(np.minimum(0.0, 1.0 - reference / length))
    defined = (total > 0).all(-1) & (correct > 0).any(-1)
    return np.where(defined, brevity * np.exp(np.where(defined, log_mean, 0.0)), 0.0)


def _chrf(sums: Array) -> Array:
    """chrF2: columns are n-grams of the hypothesis, of the reference, and matches, for each order in turn."""
    counts = sums.reshape(*sums.shape[:-1], CHARACTER_ORDER, 3)
    hypothesis, reference, match = counts[..., 0], counts[..., 1], counts[..., 2]
    used = (hypothesis > 0) & (reference > 0)
    orders = np.maximum(used.sum(-1), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(used, match / hypothesis, 0.0).sum(-1) / orders
        recall = np.where(used, match / reference, 0.0).sum(-1) / orders
        score = 100.0 * 5.0 * precision * recall / (4.0 * precision + recall)
    return np.where(precision + recall > 0, score, 0.0)


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
