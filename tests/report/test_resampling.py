"""For single runs our resampling is sacreBLEU's PairedTest, digit for digit."""

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest

from seq2seq_lab.metrics import interval
from seq2seq_lab.metrics.metric import Metric
from seq2seq_lab.metrics.table import METRICS
from seq2seq_lab.report.resampling import (
    Resampled,
    approximate_randomization,
    bootstrap,
    exchange_seeds,
    hierarchical_bootstrap,
    paired_bootstrap,
)
from support.study_folder import corrupted, make_pairs

BLEU_ZH = METRICS["bleu"].made_as("nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|version:2.6.0")
CHRF2 = METRICS["chrf"].made_as("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0")


def texts(sentences: int, seed: int, gap: float) -> tuple[list[str], list[str], list[str]]:
    generator = np.random.default_rng(seed)
    references = [pair.target for pair in make_pairs(sentences, seed)]
    one = [corrupted(text, 0.3, generator) for text in references]
    return references, one, [corrupted(text, 0.3 - gap, generator) for text in references]


def sacrebleus(name: str, kind: str, trials: int, references, one, other):
    metric = {"bleu": BLEU(tokenize="zh"), "chrf": CHRF()}[name]
    test = PairedTest([("a", one), ("b", other)], {name: metric}, [references], kind, trials)
    return next(v for k, v in test()[1].items() if k != "System")[1]


def bootstrap_is_sacrebleus(metric: Metric, sentences: int, seed: int, gap: float) -> None:
    references, one, other = texts(sentences, seed, gap)
    expected = sacrebleus(metric.name, "bs", 1000, references, one, other)
    sums = metric.statistics([one, other], references)
    assert paired_bootstrap(metric, *sums).p == expected.p_value
    low, high = bootstrap(metric, sums[1])
    assert (high - low) / 2 == expected.ci


@pytest.mark.parametrize(
    ("sentences", "seed", "gap"), [(40, 1, 0.0), (40, 2, 0.04), (75, 3, 0.02), (30, 4, 0.1)]
)
@pytest.mark.parametrize("metric", [BLEU_ZH, CHRF2], ids=lambda metric: metric.name)
def test_paired_bootstrap_is_sacrebleus(metric, sentences, seed, gap):
    bootstrap_is_sacrebleus(metric, sentences, seed, gap)


@pytest.mark.parametrize(("sentences", "seed", "gap"), [(40, 1, 0.0), (50, 2, 0.04)])
@pytest.mark.parametrize("metric", [BLEU_ZH, CHRF2], ids=lambda metric: metric.name)
def test_approximate_randomization_is_sacrebleus(metric, sentences, seed, gap):
    references, one, other = texts(sentences, seed, gap)
    expected = sacrebleus(metric.name, "ar", 1000, references, one, other)
    sums = metric.statistics([one, other], references)
    assert approximate_randomization(metric, *sums, trials=1000) == expected.p_value


def test_runs_that_score_alike_in_every_resample_do_not_differ():
    counts = np.tile([0.0, 1.0], (20, 1))
    assert paired_bootstrap(METRICS["exact_match"], counts, counts) == Resampled(0.0, 0.0, 1.0)


def test_hierarchical_bootstrap_of_arms_without_any_difference_is_zero():
    references, one, _ = texts(30, 1, 0.1)
    sums = BLEU_ZH.statistics([one, one], references)
    assert hierarchical_bootstrap(BLEU_ZH, sums, sums) == (0.0, 0.0)


def test_hierarchical_bootstrap_with_seeds_alike_is_the_paired_one():
    references, one, other = texts(30, 1, 0.1)
    sums = BLEU_ZH.statistics([one, other], references)
    thrice = [np.stack([rows] * 3) for rows in sums]
    single = paired_bootstrap(BLEU_ZH, *sums)
    found = hierarchical_bootstrap(BLEU_ZH, *thrice)
    assert found == pytest.approx((single.low, single.high), abs=1e-4)  # float32 there


def test_exchanges_of_seeds_by_hand():
    low, high = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])
    assert exchange_seeds(low, high) == 2 / 20  # never smaller with 3 seeds each
    assert exchange_seeds(high, high) == 1.0
    # all but {1, 4} | {2, 3} and its mirror differ by 1 at least
    assert exchange_seeds(np.array([1.0, 3.0]), np.array([2.0, 4.0])) == 4 / 6
    assert exchange_seeds(low, np.array([7.0])) == 1 / 4
    assert exchange_seeds(np.arange(20.0), np.arange(20.0) + 100.0) == pytest.approx(1 / 10_001)


# planted bugs


def test_planted_unpaired_draws_are_caught(monkeypatch):
    counter = iter(range(100))

    def draws(sentences, samples=1000):
        generator = np.random.default_rng(next(counter))
        shares = np.ones(sentences) / sentences
        yield generator.multinomial(sentences, shares, samples).astype(float)

    monkeypatch.setattr(interval, "_blocks_of_draws", draws)
    with pytest.raises(AssertionError):
        bootstrap_is_sacrebleus(BLEU_ZH, 40, 2, 0.04)
