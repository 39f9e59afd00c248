"""Corpus scores of one decoded split by every row of METRICS, and the rows of its hypotheses file."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.metrics.accuracy import by_length_quarter
from seq2seq_lab.metrics.bleu import bleu_tokenizer
from seq2seq_lab.metrics.interval import intervals_of
from seq2seq_lab.metrics.sentences import SentenceStatistics
from seq2seq_lab.metrics.table import METRICS


@dataclass(frozen=True)
class SplitScores:
    """The numbers of a split by name, and what makes them again: sacreBLEU's signatures, and counts by sentence.

    `intervals` are the 95 % bootstrap intervals over sentences, where they are finite, and `sentences` what was counted
    in each; both only where they were asked for.
    """

    numbers: dict[str, float]
    signatures: dict[str, str]
    counts: list[dict[str, list[float]]]
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    sentences: SentenceStatistics | None = None


def score(
    pairs: Sequence[Pair],
    hypotheses: list[str],
    target_language: str,
    *,
    with_intervals: bool = False,
) -> SplitScores:
    """Score the hypotheses by every row of METRICS, and exact match by the length of the source."""
    references = [pair.target for pair in pairs]
    settings = f"tok:{bleu_tokenizer(target_language)}"
    rows = {name: row.made_as(settings) for name, row in METRICS.items()}
    found = {name: row.corpus(hypotheses, references) for name, row in rows.items()}
    numbers = {name: s.value for name, s in found.items()}
    matches = [100.0 * (h == r) for h, r in zip(hypotheses, references, strict=True)]
    quarters = by_length_quarter([p.source for p in pairs], matches)
    numbers |= {f"exact_match_length_q{i}": value for i, value in enumerate(quarters, start=1)}
    signatures = {name: s.signature for name, s in found.items() if s.signature}
    ratios = {name: s.counts.tolist() for name, s in found.items() if s.counts is not None}
    counts = [{name: rows[i] for name, rows in ratios.items()} for i in range(len(pairs))]
    if not with_intervals:
        return SplitScores(numbers, signatures, counts)
    statistics = {
        name: rows[name].statistics([hypotheses], references)[0] if s.statistics is None else s.statistics
        for name, s in found.items()
    }  # fmt: skip
    intervals = intervals_of(rows, statistics)
    finite = {name: ends for name, ends in intervals.items() if all(map(math.isfinite, ends))}
    return SplitScores(numbers, signatures, counts, finite, SentenceStatistics(rows, statistics))


def too_short_for_bleu(references: list[str], target_language: str) -> bool:
    """Tell whether no reference has the four tokens of BLEU's longest n-gram: the score is 0 whatever the output."""
    row = METRICS["bleu"].made_as(f"tok:{bleu_tokenizer(target_language)}")
    counts = (row.statistics([[one]], [one])[0, 0, -1] for one in references)
    return not any(counts)  # one after another: the first reference decides as a rule


def hypothesis_rows(
    pairs: Sequence[Pair], hypotheses: list[str], scores: list[float]
) -> list[dict[str, Any]]:
    """Return one row per pair, in order, as hypotheses/*.jsonl stores them."""
    return [
        {"id": i, "source": p.source, "reference": p.target, "hypothesis": text, "score": score}
        for i, (p, text, score) in enumerate(zip(pairs, hypotheses, scores, strict=True))
    ]
