"""The sentences that gained and lost most against the baseline, with each right and wrong word."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

from seq2seq_lab.report.analysis import Analysis
from seq2seq_lab.report.records import Records, Run

SHOWN = 4
_MOST_ARMS = 8


@dataclass(frozen=True)
class Word:
    """A piece of a hypothesis: does the reference have it at this place of the alignment?"""

    text: str
    is_right: bool


@dataclass(frozen=True)
class SentenceChange:
    """One sentence with the outputs of both arms; `gain` is the mean change of its score over the seeds."""

    source: str
    reference: str
    baseline: tuple[Word, ...]
    arm: tuple[Word, ...]
    gain: float


@dataclass(frozen=True)
class ArmChanges:
    """The sentences that an arm gained most and lost most; the texts are those of one seed."""

    arm: str
    baseline: str
    seed: int
    better: int
    worse: int
    gained: list[SentenceChange]
    lost: list[SentenceChange]


def sentence_changes(records: Records, analysis: Analysis) -> list[ArmChanges]:
    """Return the changes of each arm against the baseline; none if arms translated different sentences."""
    scores = analysis.scores.get(judged_by(records), {})
    known = [arm for arm, one in scores.items() if one.statistics is not None]
    found = []
    for arm in known[1 : 1 + _MOST_ARMS]:
        one, other = scores[known[0]], scores[arm]
        common = [seed for seed in one.seeds if seed in other.seeds]
        if not common or one.metric is None:
            continue
        before, after = (each.of_seeds(common).statistics for each in (one, other))
        if before is None or after is None:
            continue
        sign = -1.0 if one.metric.lower_is_better else 1.0
        gains = sign * (one.metric.score(after) - one.metric.score(before)).mean(0)
        runs = [_run(records, name, common[0]) for name in (known[0], arm)]
        found.append(_changes(runs[0], runs[1], gains))
    return found


def judged_by(records: Records) -> str:
    """Return the metric of the sentences: chrF, or the report's own where a file gives its scores."""
    name = records.metric.partition("/")[2]
    return name if any(name in run.outside for run in records.runs) else "chrf"


def _run(records: Records, arm: str, seed: int) -> Run:
    return next(run for run in records.arms[arm] if run.seed == seed)


def _changes(baseline: Run, arm: Run, gains: np.ndarray) -> ArmChanges:
    order = np.argsort(-gains, kind="stable")
    best = [int(i) for i in order[:SHOWN] if gains[i] > 0]
    worst = [int(i) for i in order[::-1][:SHOWN] if gains[i] < 0]

    def change(i: int) -> SentenceChange:
        one, other = baseline.translated[i], arm.translated[i]
        before, after = (compare_words(one.reference, text.hypothesis) for text in (one, other))
        return SentenceChange(one.source, one.reference, before, after, float(gains[i]))

    better, worse = int((gains > 0).sum()), int((gains < 0).sum())
    gained, lost = [change(i) for i in best], [change(i) for i in worst]
    return ArmChanges(arm.arm, baseline.arm, arm.seed, better, worse, gained, lost)


def compare_words(reference: str, hypothesis: str) -> tuple[Word, ...]:
    """Return the hypothesis in pieces, right where they align with the reference.

    Pieces are made of words, or of characters if the reference has no blanks.
    """
    by_word = " " in reference.strip()
    expected: Sequence[str] = reference.split() if by_word else reference
    found: Sequence[str] = hypothesis.split() if by_word else hypothesis
    pieces, glue, at = [], " " if by_word else "", 0
    for block in SequenceMatcher(None, expected, found, autojunk=False).get_matching_blocks():
        if block.b > at:
            pieces.append(Word(glue.join(found[at : block.b]) + glue, is_right=False))
        if block.size:
            text = glue.join(found[block.b : block.b + block.size]) + glue
            pieces.append(Word(text, is_right=True))
        at = block.b + block.size
    return tuple(pieces)
