"""Corpus scores of one decoded split by every row of METRICS, and the rows of its hypotheses file."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.metrics.accuracy import length_quarters
from seq2seq_lab.metrics.bleu import bleu_tokenizer
from seq2seq_lab.metrics.interval import intervals_of
from seq2seq_lab.metrics.metric import Array
from seq2seq_lab.metrics.sentences import SentenceStatistics
from seq2seq_lab.metrics.table import METRICS
from seq2seq_lab.metrics.word_rarity import WORD_F1, Frequencies, rarity_statistics


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
    names: Collection[str] | None = None,
    frequencies: Frequencies | None = None,
) -> SplitScores:
    """Score the hypotheses by the rows of METRICS (`names`, or all), and exact match by the length of both sides.

    With the `frequencies` of training words there is also the F1 of words by how often training has seen them.
    """
    references = [pair.references for pair in pairs]
    settings = f"tok:{bleu_tokenizer(target_language)}"
    rows = {
        name: row.made_as(settings) for name, row in METRICS.items() if names is None or name in names
    }  # fmt: skip
    found = {name: row.corpus_of_several(hypotheses, references) for name, row in rows.items()}
    numbers = {name: s.value for name, s in found.items()}
    strata = _by_length(pairs, hypotheses)
    if frequencies is not None:
        targets = [pair.target for pair in pairs]
        strata |= rarity_statistics(hypotheses, targets, frequencies)
    numbers |= {
        name: float(WORD_F1.score(rows.sum(0, keepdims=True))[0]) for name, rows in strata.items()
    }
    signatures = {name: s.signature for name, s in found.items() if s.signature}
    ratios = {name: s.counts.tolist() for name, s in found.items() if s.counts is not None}
    counts = [{name: rows[i] for name, rows in ratios.items()} for i in range(len(pairs))]
    if not with_intervals:
        return SplitScores(numbers, signatures, counts)
    statistics = {
        name: rows[name].statistics_of_several([hypotheses], references)[0] if s.statistics is None else s.statistics
        for name, s in found.items()
    }  # fmt: skip
    intervals = intervals_of(rows, statistics)
    for name, part in strata.items():  # over the sentences that have a part in it
        own = part[part[:, 1] > 0]
        intervals |= intervals_of({name: WORD_F1}, {name: own}) if len(own) else {}
    finite = {name: ends for name, ends in intervals.items() if all(map(math.isfinite, ends))}
    return SplitScores(numbers, signatures, counts, finite, SentenceStatistics(rows, statistics))


def _by_length(pairs: Sequence[Pair], hypotheses: list[str]) -> dict[str, Array]:
    """Return matches and sentences, (sentences, 2), of each quarter by the length of a side; 0 outside of it."""
    sides = {
        "exact_match_length_q": [p.source for p in pairs],
        "exact_match_target_length_q": [p.target for p in pairs],
    }
    matches = [h in p.references for h, p in zip(hypotheses, pairs, strict=True)]
    counts, found = np.array([matches, [True] * len(matches)], dtype=np.float64).T, {}
    for prefix, texts in sides.items():
        for i, places in enumerate(length_quarters(texts), start=1):
            found[f"{prefix}{i}"] = np.zeros_like(counts)
            found[f"{prefix}{i}"][places] = counts[places]
    return found


def too_short_for_bleu(references: list[str], target_language: str) -> bool:
    """Tell whether no reference has the four tokens of BLEU's longest n-gram: the score is 0 whatever the output."""
    row = METRICS["bleu"].made_as(f"tok:{bleu_tokenizer(target_language)}")
    counts = (row.statistics([[one]], [one])[0, 0, -1] for one in references)
    return not any(counts)  # one after another: the first reference decides as a rule


def hypothesis_rows(
    pairs: Sequence[Pair], hypotheses: list[str], scores: list[float]
) -> list[dict[str, Any]]:
    """Return one row per pair, in order, as hypotheses/*.jsonl stores them; `references` if a pair has several."""
    has_several = any(pair.further for pair in pairs)
    return [
        {
            "id": i,
            "source": p.source,
            "reference": p.target,
            **({"references": list(p.references)} if has_several else {}),
            "hypothesis": text,
            "score": score,
        }
        for i, (p, text, score) in enumerate(zip(pairs, hypotheses, scores, strict=True))
    ]
