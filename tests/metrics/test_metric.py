"""Corpus scores from sums are sacreBLEU's; the jackknife's variance is the bootstrap's."""

from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF

from seq2seq_lab.metrics.interval import sentence_draws
from seq2seq_lab.metrics.metric import Metric
from seq2seq_lab.metrics.table import METRICS
from seq2seq_lab.report import resampling
from seq2seq_lab.report.analysis import metric_of
from seq2seq_lab.report.records import Run, Translated
from seq2seq_lab.report.resampling import influence

WORDS = ["The", "cat", "sat", "on", "a", "mat", ",", "dog", "ran", "."]


def corpus(sentences: int, seed: int, wrong: float = 0.3) -> tuple[list[str], list[str]]:
    generator = np.random.default_rng(seed)
    references, hypotheses = [], []
    for _ in range(sentences):
        words = generator.choice(WORDS, generator.integers(0, 9))
        swapped = [generator.choice(WORDS) if generator.random() < wrong else w for w in words]
        references.append(" ".join(words))
        hypotheses.append(" ".join(swapped[: generator.integers(0, 12)]))
    return hypotheses, references


def stored(name: str, signature: str, translated: bool = True) -> Run:
    """Return a run as a report reads it, with the signature of one metric."""
    texts = (Translated("s", "r", "h"),) if translated else ()
    return Run("cell", "arm", 1, {}, Path(), {}, {name: signature}, texts, (), {}, {}, 1.0)


def metrics(hypotheses: list[str], references: list[str]) -> dict[Metric, float]:
    """Return every row of METRICS as a report makes it from the stored signature, and the library's score."""
    found = {}
    for name, row in METRICS.items():
        tokenize = "zh" if name == "bleu_tok_lc" else "13a"
        score = row.made_as(f"tok:{tokenize}").corpus(hypotheses, references)
        found[metric_of([stored(name, score.signature)], name)] = score.value
    return found


@pytest.mark.parametrize("seed", range(12))
def test_score_of_the_sums_is_the_corpus_score(seed):
    hypotheses, references = corpus([1, 2, 3, 17, 60][seed % 5], seed, [0.0, 0.3, 0.9][seed % 3])
    for metric, value in metrics(hypotheses, references).items():
        sums = metric.statistics([hypotheses], references).sum(1)
        assert metric.score(sums)[0] == pytest.approx(value, abs=1e-10), metric.name


def test_score_of_any_counts_is_sacrebleus():
    generator = np.random.default_rng(3)
    total = generator.integers(0, 6, (400, 4))
    correct = np.minimum(generator.integers(0, 6, (400, 4)), total)
    lengths = generator.integers(1, 9, (400, 2))
    rows = np.hstack([lengths, correct, total]).astype(float)
    expected = [BLEU(force=True)._compute_score_from_stats([int(x) for x in r]).score for r in rows]
    found = METRICS["bleu"].score(rows)
    np.testing.assert_allclose(found, expected, atol=1e-10)
    counts = generator.integers(0, 4, (400, 6, 3))
    counts[..., 2] = counts.min(-1)
    rows = counts.reshape(400, 18).astype(float)
    expected = [CHRF()._compute_score_from_stats(r.tolist()).score for r in rows]
    np.testing.assert_allclose(METRICS["chrf"].score(rows), expected, atol=1e-10)


def test_exact_match_has_the_plain_influence():
    metric = METRICS["exact_match"]
    sums = metric.statistics([["a", "b", "c"]], ["a", "x", "c"])[0]
    assert metric.score(sums.sum(0)[None])[0] == pytest.approx(200 / 3)
    np.testing.assert_allclose(influence(metric, sums), [100 / 3, -200 / 3, 100 / 3])


def jackknife_agrees_with_bootstrap(metric: Metric, sums: np.ndarray) -> None:
    error = influence(metric, sums).std(ddof=1) / np.sqrt(len(sums))
    resampled = metric.score(sentence_draws(len(sums), 4_000) @ sums).std()
    assert error == pytest.approx(resampled, rel=0.08)


def test_jackknife_error_is_the_bootstrap_error():
    hypotheses, references = corpus(200, 5)
    for metric in metrics(hypotheses, references):
        jackknife_agrees_with_bootstrap(metric, metric.statistics([hypotheses], references)[0])


def test_a_metric_that_texts_do_not_determine_is_none():
    run = stored("bleu", "tok:zh")
    assert metric_of([run], "bleu") == METRICS["bleu"].made_as("tok:zh")
    assert metric_of([run], "perplexity") is None
    assert metric_of([run], "chrf") is None
    assert metric_of([run, stored("bleu", "tok:13a")], "bleu") is None
    assert metric_of([run, stored("bleu", "tok:zh", translated=False)], "bleu") is None


# planted bugs


def test_planted_bleu_without_smoothing_is_caught(monkeypatch):
    monkeypatch.setattr(np, "cumsum", lambda x, axis: np.zeros(x.shape))
    with pytest.raises(AssertionError):
        test_score_of_any_counts_is_sacrebleus()


def test_planted_mean_of_sentence_scores_is_caught(monkeypatch):
    hypotheses, references = corpus(200, 5)
    metric = next(iter(metrics(hypotheses, references)))
    sums = metric.statistics([hypotheses], references)[0]
    monkeypatch.setattr(
        resampling, "influence", lambda m, rows: m.score(rows) - m.score(rows).mean()
    )
    monkeypatch.setitem(globals(), "influence", resampling.influence)
    with pytest.raises(AssertionError):
        jackknife_agrees_with_bootstrap(metric, sums)
