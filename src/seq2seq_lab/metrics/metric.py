"""Kinds of metrics of decoded text: the score of a corpus from a sum of one short vector for each sentence.

The sums are all that the bootstrap and the jackknife need, so a metric states how its vectors are counted and how
a score follows from their sum. `Ratio` is the simple kind, `Sacrebleu` the kind that a sacreBLEU class counts.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Texts = Sequence[str]
Bounds = tuple[float, float]
"""The lowest and the highest value that a score can have."""
References = Sequence[tuple[str, ...]]
"""One or more references of each sentence."""
Columns = list[list[Any]]
"""The first reference of each sentence, then the second ones ..., as sacreBLEU takes them; None for none."""


@dataclass(frozen=True)
class Score:
    """A corpus score. One of `signature` (sacreBLEU's) and `counts` says how to make it again.

    `statistics` are the vectors of the sentences, (sentences, width), where the metric has them at hand.
    """

    value: float
    signature: str = ""
    counts: Array | None = None
    statistics: Array | None = None


def check_parallel(hypotheses: Texts, references: Sequence[Any]) -> None:
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

    `epoch_line` is its format in the line that training prints per epoch; an empty one leaves it out. A metric that is
    slow to count is not counted `each_epoch`: the best checkpoint and the test have it, and an epoch only if monitored.
    Between `bounds` lie all scores: (0, inf) for an error rate.
    """

    needs_signature: ClassVar[bool] = False
    name: str
    label: str
    lower_is_better: bool = field(default=False, kw_only=True)
    bounds: Bounds = field(default=(0.0, 100.0), kw_only=True)
    epoch_line: str = field(default="", kw_only=True)
    each_epoch: bool = field(default=True, kw_only=True)

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

    def statistics_of_several(self, runs: Sequence[Texts], references: References) -> Array:
        """Return vectors like `statistics` where a sentence may have several references.

        A sentence counts against the reference under which its own score is best, the first of equal ones; a score of
        0/0 (nothing expected, nothing wrong) counts as 0.
        """
        columns = [
            [one[min(k, len(one) - 1)] for one in references] for k in range(_most(references))
        ]
        found = np.stack([self.statistics(runs, column) for column in columns])
        if len(found) == 1:
            return found[0]
        scores = np.array([[self.sentence_scores(rows) for rows in one] for one in found])
        scores = np.where(np.isnan(scores), 0.0, scores)
        best = (scores if self.lower_is_better else -scores).argmin(0)
        chosen: Array = np.take_along_axis(found, best[None, :, :, None], 0)[0]
        return chosen

    def corpus_of_several(self, hypotheses: Texts, references: References) -> Score:
        """Return the score of a corpus like `corpus` where a sentence may have several references."""
        check_parallel(hypotheses, references)
        score = self.corpus(hypotheses, [one[0] for one in references])
        if _most(references) == 1:
            return score
        vectors = self.statistics_of_several([hypotheses], references)[0]
        value = float(self.score(vectors.sum(0, keepdims=True))[0])
        counts = None if score.counts is None else vectors
        return Score(value, score.signature, counts, vectors)


def _most(references: References) -> int:
    """Return the largest number of references of a sentence; `ValueError` where one has none."""
    counts = {len(one) for one in references}
    if 0 in counts:
        raise ValueError("a sentence without a reference: it cannot be scored; give at least one")
    return max(counts, default=1)


def as_references(references: Sequence[str | tuple[str, ...]]) -> References:
    """Return the references of each sentence where some are given as one text."""
    return [(one,) if isinstance(one, str) else tuple(one) for one in references]


@dataclass(frozen=True)
class Ratio(Metric):
    """100 times a sum over sentences divided by another: `count` returns both numbers for each sentence.

    `scale` replaces the 100; a mean for each sentence has 1.
    """

    count: Callable[[Texts, Texts], Sequence[tuple[int | float, int | float]]]
    scale: float = field(default=100.0, kw_only=True)

    def made_as(self, signature: str) -> Metric:  # noqa: ARG002
        """Return itself: it has no settings."""
        return self

    def statistics(self, runs: Sequence[Texts], references: Texts) -> Array:
        """Return the two numbers of each sentence, (runs, sentences, 2)."""
        return np.array([self.count(run, references) for run in runs], dtype=np.float64)

    def score(self, sums: Array) -> Array:
        """Return the ratios times `scale`; where the second sum is 0 the score is not finite."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.scale * sums[..., 0] / sums[..., 1]

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

    Of the signature only the tokeniser (`tok:13a`) and `asian:yes` are settings; the rest follows from the name.
    """

    needs_signature: ClassVar[bool] = True
    library: Callable[[str, Columns | None], Any]
    of_sums: Callable[[Array], Array]
    signature: str = "tok:13a"

    def made_as(self, signature: str) -> Metric:
        """Return the metric under the tokeniser that a signature names."""
        return replace(self, signature=signature)

    def _made(self, references: Columns | None = None) -> Any:
        settings = dict(part.split(":", 1) for part in self.signature.split("|"))
        tokenize = settings.get("tok", "13a")
        tokenize += "-asian" * (settings.get("asian") == "yes")  # of TER: `tercom` and this
        return self.library(tokenize, references)

    def statistics(self, runs: Sequence[Texts], references: Texts) -> Array:
        """Return n-gram counts and lengths, (runs, sentences, width); references are counted once."""
        return self.statistics_of_several(runs, [(one,) for one in references])

    def statistics_of_several(self, runs: Sequence[Texts], references: References) -> Array:
        """Return the counts against all references of a sentence at once, as sacreBLEU defines them."""
        metric = self._made(_columns(references))
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
        rows = [[int(x) if x.is_integer() else x for x in row] for row in vectors.tolist()]
        return np.array([score(row).score for row in rows])

    def library_score(self, sums: NDArray[Any]) -> NDArray[np.floating]:
        """Return sacreBLEU's own scores of sums."""
        score = self._made()._compute_score_from_stats
        return np.array([score(row).score for row in sums])

    def corpus(self, hypotheses: Texts, references: Texts) -> Score:
        """Return sacreBLEU's corpus score with its signature."""
        return self.corpus_of_several(hypotheses, [(one,) for one in references])

    def corpus_of_several(self, hypotheses: Texts, references: References) -> Score:
        """Return sacreBLEU's corpus score against all references, with its signature."""
        check_parallel(hypotheses, references)
        metric = self._made()
        rows = metric._extract_corpus_statistics(list(hypotheses), _columns(references))
        value = float(metric._aggregate_and_compute(rows).score)
        signature = str(metric.get_signature())  # complete only after scoring
        return Score(value, signature, statistics=np.array(rows, dtype=np.float64))


def _columns(references: References) -> Columns:
    """Return lists of the first references, the second ones ...; None where a sentence has fewer."""
    _most(references)
    return [list(column) for column in zip_longest(*references)]
