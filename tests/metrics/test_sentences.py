"""Scores of single sentences are those of sacreBLEU; those of quarters are the corpus scores of their texts."""

import pytest
from sacrebleu.metrics import BLEU, CHRF

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.metrics.accuracy import length_quarters
from seq2seq_lab.metrics.metric import Metric, Ratio, Sacrebleu
from seq2seq_lab.metrics.scores import score
from seq2seq_lab.metrics.sentences import SentenceStatistics
from seq2seq_lab.metrics.table import METRICS

TEXTS = [
    ("the cat sat on the mat .", "the cat sat on a mat ."),
    ("a dog", "a dog"),
    ("The dog ran", ""),
    ("one two three four five six", "one two three"),
    ("Nothing", "nothing"),
    ("x", "x y z w v u t"),
]
PAIRS = [Pair("s" * (1 + 3 * i % 7), reference) for i, (reference, _) in enumerate(TEXTS)]
HYPOTHESES = [hypothesis for _, hypothesis in TEXTS]


def counted() -> SentenceStatistics:
    found = score(PAIRS, HYPOTHESES, "en", with_intervals=True).sentences
    assert found is not None
    return found


def one_by_one(metric) -> list[float]:
    return [metric.sentence_score(h, [r]).score for r, h in TEXTS]


def test_sentence_scores_are_sacrebleus():
    scores = counted().scores()
    assert list(scores) == list(METRICS)
    assert scores["bleu"] == pytest.approx(one_by_one(BLEU(effective_order=True)))
    assert scores["bleu_tok_lc"] == pytest.approx(
        one_by_one(BLEU(effective_order=True, lowercase=True))
    )
    assert scores["chrf"] == pytest.approx(one_by_one(CHRF()))
    assert scores["exact_match"] == [100.0 * (h == r) for r, h in TEXTS]


def test_a_short_sentence_that_is_right_has_the_full_bleu():
    assert counted().scores()["bleu"][1] == pytest.approx(100.0)


def test_planted_corpus_formula_on_single_sentences_is_caught(monkeypatch):
    monkeypatch.setattr(Sacrebleu, "sentence_scores", Metric.sentence_scores)
    with pytest.raises(AssertionError):
        test_sentence_scores_are_sacrebleus()


def test_a_score_that_is_not_defined_is_none():
    row = Ratio("half", "half %", lambda hypotheses, _: [(0.0, float(bool(h))) for h in hypotheses])
    vectors = row.statistics([["a", ""]], ["a", "b"])[0]
    assert SentenceStatistics({"half": row}, {"half": vectors}).scores() == {"half": [0.0, None]}


def test_quarters_are_the_corpus_scores_of_their_sentences():
    sources = [pair.source for pair in PAIRS]
    found = counted().by_length_quarter(sources)
    assert list(found) == [row.label for row in METRICS.values()]
    for row in METRICS.values():
        expected = [
            row.made_as("tok:13a")
            .corpus([HYPOTHESES[i] for i in part], [PAIRS[i].target for i in part])
            .value
            for part in length_quarters(sources)
        ]
        assert found[row.label] == pytest.approx(expected)
