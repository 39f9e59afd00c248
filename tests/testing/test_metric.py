"""`check_metric` on every row of METRICS, and on metrics with one planted bug each."""

import math

import numpy as np
import pytest

from seq2seq_lab.metrics.metric import Ratio
from seq2seq_lab.metrics.table import METRICS
from seq2seq_lab.testing import check_metric
from seq2seq_lab.testing.metric import is_finite


def words(hypotheses, references):
    pairs = [(h.split(), r.split()) for h, r in zip(hypotheses, references, strict=True)]
    return [
        (sum(a == b for a, b in zip(h, r, strict=False)), max(len(h), len(r))) for h, r in pairs
    ]


def ranked(hypotheses, references):
    """A count that depends on the other sentences."""
    order = np.argsort([len(h) for h in hypotheses])
    return [(n + i, m + 9) for i, (n, m) in zip(order, words(hypotheses, references), strict=True)]


class MeanOfSentences(Ratio):
    """A corpus score that no sum gives."""

    def corpus(self, hypotheses, references):
        found = super().corpus(hypotheses, references)
        value = float(100 * (found.counts[:, 0] / found.counts[:, 1]).mean())
        return type(found)(value, counts=found.counts)


def logarithms(hypotheses, references):
    found = words(hypotheses, references)
    return [(n or math.inf, m) for n, m in found]


@pytest.mark.parametrize("name", list(METRICS))
def test_every_row_passes(name):
    check_metric(METRICS[name])


def test_a_new_ratio_passes():
    check_metric(Ratio("word_accuracy", "right words %", words, epoch_line="words {:.1f} %"))


@pytest.mark.parametrize(
    ("metric", "named"),
    [
        (MeanOfSentences("m", "mean", words), "sums of the sentences give the corpus score: score of the sums: apart"),
        (Ratio("m", "words", words, lower_is_better=True), "reference itself is best: 100 for .* lower is better"),
        (Ratio("m", "words", ranked), "a sentence is counted alone"),
        (Ratio("m", "words", logarithms), "scores are finite: inf"),
        (Ratio("a b", "words", words), "can be shown: the name is 'a b'"),
        (Ratio("m", "words", words, epoch_line="words"), "has no place for the number"),
    ],
)  # fmt: skip
def test_planted_metric_is_caught_and_named(metric, named):
    with pytest.raises(AssertionError, match=named):
        check_metric(metric)


def test_an_empty_hypothesis_must_have_a_score():
    with pytest.raises(AssertionError):
        is_finite(Ratio("m", "words", lambda h, r: [(1, len(x)) for x in h]))
