"""Kinds of metrics of decoded text: the score of a corpus from a sum of one short vector for each sentence.

The sums are all that the bootstrap and the jackknife need, so a metric states how its vectors are counted and how
a score follows from their sum. `Ratio` is the simple kind, `Sacrebleu` the kind that a sacreBLEU class counts.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Texts = Sequence[str]
Bounds = tuple[float, float]
"""The lowest and the highest value that a score can have."""


@dataclass(frozen=True)
class Score:
    """A corpus score on the 0-100 scale. One of `signature` (sacreBLEU's) and `counts` says how to make it again.

    `statistics` are the vectors of the sentences, (sentences, width), where the metric has them at hand.
    """

    value: float
    signature: str = ""
    counts: Array | None = None
    statistics: Array | None = None


def check_parallel(hypotheses: Texts, references: Texts) -> None:
    """Raise `ValueError` unless both lists have the same length and something in them."""
    if len(hypotheses) != len(references):
        raise ValueError(
            f"{len(hypotheses)} hypotheses for {len(references)} references: one line each is needed"
        )
    if not hypotheses:
        raise ValueError("no hypotheses: a score of nothing is not defined; give at least one pair")


@dataclass(frozen=True)
class Metric(ABC):
    """A metric of decoded text: key in result.json (`<split>/<name>`), label for people, direction, sums and score.

    `epoch_line` is its format in the line that training prints per epoch; an empty one leaves it out. Between `bounds`
    lie all scores: (0, inf) for an error rate.
    """

    needs_signature: ClassVar[bool] = False
    name: str
    label: str
    lower_is_better: bool = field(default=False, kw_only=True)
    bounds: Bounds = field(default=(0.0, 100.0), kw_only=True)
    epoch_line: str = field(default="", kw_only=True)

    @abstractmethod
    def made_as(self, signature: str) -> "Metric":
        """Return the metric with the settings of a signature."""

    @abstractmethod
    def statistics(self, runs: Sequence[Texts], references: Texts) -> Array:
        """Return vectors of shape (runs, sentences, width) for the hypotheses of each run."""

    @abstractmethod
    def score(self, sums: Array) -> Array:
        """Return the scores of sums of shape (..., width), for many sums at once."""

    def sentence_scores(self, vectors: Array) -> Array:
        """Return the score of each sentence alone, given its vector: (sentences, width) to (sentences,)."""
        return self.score(vectors)

    @abstractmethod
    def library_score(self, sums: NDArray[Any]) -> NDArray[np.floating]:
        """Return the scores of sums (samples, width) by the library that defines the metric, in its precision."""

    @abstractmethod
    def corpus(self, hypotheses: Texts, references: Texts) -> Score:
        """Return the score of a corpus. Raises `ValueError` for an empty one, or lists of different lengths."""


@dataclass(frozen=True)
class Ratio(Metric):
    """100 times a sum over sentences divided by another: `count` returns both numbers for each sentence."""

    count: Callable[[Texts, Texts], Sequence[tuple[float, float]]]

    def made_as(self, signature: str) -> Metric:  # noqa: ARG002
        """Return itself: it has no settings."""
        return self

    def statistics(self, runs: Sequence[Texts], references: Texts) -> Array:
        """Return the two numbers of each sentence, (runs, sentences, 2)."""
        return np.array([self.count(run, references) for run in runs], dtype=np.float64)

    def score(self, sums: Array) -> Array:
        """Return the ratios in percent; where the second sum is 0 the score is not finite."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return 100.0 * sums[..., 0] / sums[..., 1]

    def library_score(self, sums: NDArray[Any]) -> NDArray[np.floating]:
        """Return `score`: a ratio needs no library."""
        return self.score(sums.astype(np.float64))

    def corpus(self, hypotheses: Texts, references: Texts) -> Score:
        """Return the score with its counts, (sentences, 2)."""
        check_parallel(hypotheses, references)
        counts = self.statistics([hypotheses], references)[0]
        value = float(self.score(counts.sum(0, keepdims=True))[0])
        return Score(value, counts=counts, statistics=counts)


@dataclass(frozen=True)
class Sacrebleu(Metric):
    """A metric of sacreBLEU: `library(tokenize, references)` makes its object, `of_sums` is its formula over arrays.

    Of the signature only the tokeniser (`tok:13a`) is a setting; the rest follows from the name.
    """

    needs_signature: ClassVar[bool] = True
    library: Callable[[str, list[list[str]] | None], Any]
    of_sums: Callable[[Array], Array]
    signature: str = "tok:13a"

    def made_as(self, signature: str) -> Metric:
        """Return the metric under the tokeniser that a signature names."""
        return replace(self, signature=signature)

    def _made(self, references: list[list[str]] | None = None) -> Any:
        settings = dict(part.split(":", 1) for part in self.signature.split("|"))
        return self.library(settings.get("tok", "13a"), references)

    def statistics(self, runs: Sequence[Texts], references: Texts) -> Array:
        """Return n-gram counts and lengths, (runs, sentences, width); references are counted once."""
        metric = self._made([list(references)])
        rows = [metric._extract_corpus_statistics(list(run), None) for run in runs]
        return np.array(rows, dtype=np.float64)

    def score(self, sums: Array) -> Array:
        """Return the scores of sums of shape (..., width)."""
        return self.of_sums(sums)

    def sentence_scores(self, vectors: Array) -> Array:
        """Return sacreBLEU's sentence scores; of BLEU those with the orders that a short sentence has."""
        metric = self._made()
        if hasattr(metric, "effective_order"):
            metric.effective_order = True
        score = metric._compute_score_from_stats
        return np.array([score(row).score for row in vectors.astype(int).tolist()])

    def library_score(self, sums: NDArray[Any]) -> NDArray[np.floating]:
        """Return sacreBLEU's own scores of sums."""
        score = self._made()._compute_score_from_stats
        return np.array([score(row).score for row in sums])

    def corpus(self, hypotheses: Texts, references: Texts) -> Score:
        """Return sacreBLEU's corpus score with its signature."""
        check_parallel(hypotheses, references)
        metric = self._made()
        rows = metric._extract_corpus_statistics(list(hypotheses), [list(references)])
        value = float(metric._aggregate_and_compute(rows).score)
        signature = str(metric.get_signature())  # complete only after scoring
        return Score(value, signature, statistics=np.array(rows, dtype=np.float64))
