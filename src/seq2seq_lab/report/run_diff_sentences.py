"""The sentences that changed most between two runs, by the chrF of each."""

from dataclasses import dataclass

import numpy as np

from seq2seq_lab.metrics.table import METRICS
from seq2seq_lab.report.run_diff import Side, sentences_agree
from seq2seq_lab.report.sentence_diff import SentenceChange, compare_words

SCORE = "chrf"


@dataclass(frozen=True)
class Sentences:
    """How many sentences became better and worse, and those that changed most, the best gain first."""

    total: int
    better: int
    worse: int
    unlike: int
    gained: tuple[SentenceChange, ...]
    lost: tuple[SentenceChange, ...]


def changed_sentences(old: Side, new: Side, most: int | None) -> Sentences | str:
    """Return the changes, `most` of each direction (None: all), or why sentences cannot be compared."""
    without = [str(side.run.folder) for side in (old, new) if not side.translated]
    if without:
        return f"no test translations in {' and '.join(without)}"
    if not sentences_agree(old, new):
        counts = " and ".join(str(len(side.translated)) for side in (old, new))
        return (
            f"the runs have different test sets ({counts} pairs), so sentences cannot be compared"
        )
    pairs = list(zip(old.translated, new.translated, strict=True))
    references = [one.references for one, _ in pairs]
    texts = [[t.hypothesis for t in side.translated] for side in (old, new)]
    metric = METRICS[SCORE]
    before, after = metric.score(metric.statistics_of_several(texts, references))
    gains = after - before
    order = np.argsort(-gains, kind="stable")

    def change(i: int) -> SentenceChange:
        one, other = pairs[i]
        words = [compare_words(one.reference, text.hypothesis) for text in (one, other)]
        return SentenceChange(one.source, one.reference, words[0], words[1], float(gains[i]))

    best = [int(i) for i in order if gains[i] > 0]
    worst = [int(i) for i in order[::-1] if gains[i] < 0]
    unlike = sum(one.hypothesis != other.hypothesis for one, other in pairs)
    return Sentences(
        len(pairs), len(best), len(worst), unlike,
        tuple(map(change, best[:most])), tuple(map(change, worst[:most])),
    )  # fmt: skip
