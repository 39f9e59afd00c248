"""F1 of words by how often training has seen them, for each arm and against the baseline."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seq2seq_lab.errors import DataError
from seq2seq_lab.metrics.interval import Values, resampled_scores
from seq2seq_lab.metrics.metric import Array
from seq2seq_lab.metrics.word_rarity import (
    BINS,
    WORD_F1,
    Frequencies,
    bin_counts,
    bin_names,
    reference_words,
)
from seq2seq_lab.report.records import AGAIN, Records, Run
from seq2seq_lab.report.statistics import (
    Comparison,
    Interval,
    Scores,
    compare,
    holm,
    influences_of,
    over_seeds_and_sentences,
    scores_of,
)

FILE = "hypotheses/word_counts.json"


@dataclass(frozen=True)
class RarityRow:
    """One arm on the words that training has seen `lowest` to `highest` times; `words` of the references are such."""

    metric: str
    arm: str
    lowest: int
    highest: int | float
    words: int
    seeds: tuple[int, ...]
    interval: Interval
    comparison: Comparison | None = None
    p_holm: float = math.nan

    @property
    def seen(self) -> str:
        """How often training has seen the words, for people."""
        if self.highest == self.lowest:
            return f"{self.lowest} times"
        return (
            f"{self.lowest} or more"
            if self.highest == math.inf
            else f"{self.lowest}–{self.highest:.0f} times"
        )


def rarity_rows(records: Records) -> list[RarityRow]:
    """Return the rows of all bins; none where runs lack the counts (older ones do) or trained on other text."""
    known = [_frequencies(run) for run in records.runs]
    if records.split != "test" or not known or None in known or not _agree(known, records.runs):
        return []
    counts = {
        run.name: _counts(run, one) for run, one in zip(records.runs, known, strict=True) if one
    }
    references = [one.reference for one in records.runs[0].translated]
    whole = Frequencies({k: v for one in known if one for k, v in one.counts.items()}, _unit(known))
    words = reference_words(references, whole)
    rows = []
    for place, (lowest, highest) in enumerate(BINS):
        baseline: Scores | None = None
        for arm, runs in records.arms.items():
            if not runs or not words[place]:
                continue
            seeds = tuple(run.seed for run in runs)
            part = scores_of(WORD_F1, seeds, np.stack([counts[run.name][place] for run in runs]))
            if not is_defined(part):
                continue
            comparison = (
                None if baseline is None else compare(baseline, part, with_resampling=False)
            )
            baseline = baseline or part
            key = f"{records.split}/{bin_names()[place]}"
            interval = over_seeds_and_sentences(part)
            rows.append(
                RarityRow(key, arm, lowest, highest, words[place], seeds, interval, comparison)
            )
    corrected = holm([math.nan if r.comparison is None else r.comparison.p for r in rows])
    return [replace(row, p_holm=p) for row, p in zip(rows, corrected, strict=True)]


def is_defined(scores: Scores) -> bool:
    """Tell whether a part of the sentences has a score, also without any one of them, or (one seed) resampled."""
    if scores.metric is None or scores.statistics is None:
        return bool(np.isfinite(scores.values).all())
    with np.errstate(invalid="ignore", divide="ignore"):
        influences = influences_of(scores)
        checked: list[Values] = [scores.values, scores.values if influences is None else influences]
        if len(scores.seeds) == 1:
            checked.append(resampled_scores(scores.metric, scores.statistics[0]))
    return all(bool(np.isfinite(values).all()) for values in checked)


def _unit(known: list[Frequencies | None]) -> bool:
    return any(one is not None and one.by_character for one in known)


def _agree(known: list[Frequencies | None], runs: list[Run]) -> bool:
    """Tell whether all runs have the same references and, of the same words, the same training counts."""
    if len({tuple(t.reference for t in run.translated) for run in runs}) != 1:
        return False
    references = [one.reference for one in runs[0].translated]
    seen = {
        (one.by_character, tuple(one.of_texts(references).counts.items()))
        for one in known
        if one is not None
    }
    return len(seen) == 1


def _counts(run: Run, frequencies: Frequencies) -> Array:
    texts = [t.hypothesis for t in run.translated], [t.reference for t in run.translated]
    return bin_counts(*texts, frequencies)


def _frequencies(run: Run) -> Frequencies | None:
    content: Mapping[str, Any] = run.json(FILE)
    if not content or not run.translated:
        return None
    counts, by_character = content.get("counts"), content.get("by_character")
    is_whole = isinstance(counts, dict) and all(type(n) is int for n in counts.values())
    if not isinstance(counts, dict) or not is_whole or not isinstance(by_character, bool):
        raise DataError(f"{run.folder / FILE}: not the counts of words; {AGAIN}")
    return Frequencies(counts, by_character)
