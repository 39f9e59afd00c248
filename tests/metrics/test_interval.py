import random

import pytest
import sacrebleu

from seq2seq_lab.metrics import interval
from seq2seq_lab.metrics.interval import bootstrap_interval, intervals_of, sentence_draws
from seq2seq_lab.metrics.table import METRICS

DRAW = random.Random(1)
REFERENCES = [" ".join(DRAW.choice("abcdef") for _ in range(9)) for _ in range(80)]
HYPOTHESES = [r if DRAW.random() < 0.6 else r[::-1] for r in REFERENCES]


def exact(hypotheses, references):
    return bootstrap_interval("exact_match", hypotheses, references, tokenize="13a")


def test_the_interval_of_exact_match_is_that_of_a_share():
    low, high = exact(HYPOTHESES, REFERENCES)
    share = sum(h == r for h, r in zip(HYPOTHESES, REFERENCES, strict=True)) / 80
    half = 196 * (share * (1 - share) / 80) ** 0.5
    assert (low, high) == pytest.approx((100 * share - half, 100 * share + half), abs=2.5)


@pytest.mark.parametrize("name", ["bleu", "bleu_tok_lc", "chrf"])
def test_a_corpus_score_lies_in_its_interval(name):
    low, high = bootstrap_interval(name, HYPOTHESES, REFERENCES, tokenize="13a")
    scores = {
        "bleu": sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES]).score,
        "bleu_tok_lc": sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES], lowercase=True).score,
        "chrf": sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES]).score,
    }
    assert low < scores[name] < high
    assert high - low > 1


def test_fewer_sentences_have_a_wider_interval():
    few, many = exact(HYPOTHESES[:20], REFERENCES[:20]), exact(HYPOTHESES, REFERENCES)
    assert few[1] - few[0] > 1.5 * (many[1] - many[0])


def test_an_interval_is_the_same_each_time():
    assert exact(HYPOTHESES, REFERENCES) == exact(HYPOTHESES, REFERENCES)


def test_several_metrics_at_once_have_the_intervals_of_each_alone():
    rows = {name: row.made_as("tok:13a") for name, row in METRICS.items()}
    vectors = {name: row.statistics([HYPOTHESES], REFERENCES)[0] for name, row in rows.items()}
    alone = {
        name: bootstrap_interval(name, HYPOTHESES, REFERENCES, tokenize="13a") for name in rows
    }
    assert intervals_of(rows, vectors) == alone


def draws_do_not_depend_on_the_block(monkeypatch):
    whole = sentence_draws(23)
    monkeypatch.setattr(interval, "_BLOCK", 23 * 7 + 1)
    assert (sentence_draws(23) == whole).all()
    assert (whole.sum(1) == 23).all()


def test_draws_do_not_depend_on_the_block(monkeypatch):
    draws_do_not_depend_on_the_block(monkeypatch)


def test_planted_generator_of_each_block_is_caught(monkeypatch):
    def planted(sentences, samples):
        most = max(interval._BLOCK // sentences, 1)
        for begin in range(0, samples, most):
            generator = interval.np.random.default_rng(begin)
            rows = min(most, samples - begin)
            drawn = generator.multinomial(sentences, [1 / sentences] * sentences, rows)
            yield drawn.astype(float)

    monkeypatch.setattr(interval, "_blocks_of_draws", planted)
    with pytest.raises(AssertionError):
        draws_do_not_depend_on_the_block(monkeypatch)


def test_another_metric_is_refused():
    with pytest.raises(ValueError, match=r"loss: no interval.*choose one of bleu"):
        bootstrap_interval("loss", ["a"], ["a"], tokenize="13a")
