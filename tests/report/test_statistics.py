"""Means, comparisons and corrections by hand, and what is said when seeds are few."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from seq2seq_lab.metrics.table import METRICS
from seq2seq_lab.report.resampling import paired_bootstrap
from seq2seq_lab.report.statistics import (
    NO_SENTENCES,
    ONE_SEED,
    Scores,
    compare,
    holm,
    over_seeds,
    scores_of,
)

EXACT = METRICS["exact_match"]


def arm(hits: list[list[int]], seeds: tuple[int, ...] = (1, 2, 3)) -> Scores:
    right = np.array(hits, dtype=float)
    return scores_of(EXACT, seeds, np.stack([right, np.ones(right.shape)], -1))


def random_arm(share: float, seed: int, seeds: int = 3, sentences: int = 50) -> Scores:
    hits = np.random.default_rng(seed).random((seeds, sentences)) < share
    return arm(hits.astype(int).tolist(), tuple(range(1, seeds + 1)))


def test_interval_over_seeds_by_hand():
    found = over_seeds(Scores((1, 2, 3), np.array([70.0, 72.0, 77.0])))
    assert (found.mean, found.deviation) == pytest.approx((73.0, math.sqrt(13)))
    assert found.high - found.mean == pytest.approx(4.302652729749463 * math.sqrt(13 / 3))


def test_one_seed_is_sacrebleus_test_with_a_loud_note():
    one, other = random_arm(0.3, 1, seeds=1), random_arm(0.6, 2, seeds=1)
    found, expected = (
        compare(one, other),
        paired_bootstrap(EXACT, one.statistics[0], other.statistics[0]),
    )
    assert (found.p, found.low, found.high) == (expected.p, expected.low, expected.high)
    assert found.note == over_seeds(one).note == ONE_SEED
    assert math.isnan(found.smallest_effect)


def test_all_seeds_count_whatever_their_names():
    one = arm([[1, 0, 1, 1], [0, 0, 1, 1], [1, 1, 1, 1]], (1, 2, 3))
    other = arm([[1, 1, 1, 1], [0, 0, 0, 0]], (3, 9))
    found = compare(one, other)
    assert (found.num_seeds, found.difference) == (2, 50.0 - 75.0)
    renamed = Scores((4, 5), other.values, other.metric, other.statistics)
    assert compare(one, renamed) == found


def test_one_seed_against_several_is_compared_on_the_common_one():
    several, single = random_arm(0.3, 1), random_arm(0.6, 2, seeds=1)  # seeds 1, 2, 3 and 1
    expected = paired_bootstrap(EXACT, several.statistics[0], single.statistics[0])
    assert compare(several, single).p == expected.p
    other = Scores((9,), single.values, single.metric, single.statistics)
    found = compare(several, other)
    assert math.isnan(found.p)
    assert found.note == ONE_SEED


def test_a_metric_without_sentences_is_compared_over_seeds():
    one, other = (Scores((1, 2, 3), np.array(v)) for v in ([2.0, 2.1, 2.3], [1.0, 1.2, 1.1]))
    found = compare(one, other)
    expected = stats.ttest_ind(one.values, other.values, equal_var=False)  # Welch's test
    assert found.note == NO_SENTENCES
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    low, high = expected.confidence_interval()
    assert (-found.high, -found.low) == pytest.approx((low, high))


def test_arms_that_never_vary():
    right, wrong = arm([[1] * 4] * 3), arm([[0] * 4] * 3)
    assert compare(wrong, right).p == 0.0
    assert compare(right, right).p == 1.0


def test_swapping_arms_turns_the_sign():
    one, other = random_arm(0.3, 1), random_arm(0.5, 2)
    there, back = compare(one, other), compare(other, one)
    assert there.difference == -back.difference
    assert there.p == back.p
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    with_gap = holm([0.01, math.nan, 0.02])
    assert math.isnan(with_gap[1])
    assert with_gap[0] == pytest.approx(0.02)


def paired_equals_scipy() -> None:
    """Runs of one seed are one model: what the model itself scores does not count, only how it changes."""
    before = Scores((1, 2, 3, 4), np.array([60.0, 75.0, 82.0, 90.0]), models=("a", "b", "c", "d"))
    after = Scores((1, 2, 3, 4), np.array([58.5, 73.2, 81.1, 88.0]), models=("a", "b", "c", "d"))
    found, expected = compare(before, after), stats.ttest_rel(after.values, before.values)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_the_same_models_used_in_two_ways_are_paired_by_seed():
    paired_equals_scipy()


def test_the_same_models_are_paired_with_their_sentences_too():
    generator = np.random.default_rng(4)
    strength = np.array([[0.2], [0.5], [0.9]])  # three seeds that differ much
    right = generator.random((3, 200)) < strength
    fewer = right & (generator.random((3, 200)) < 0.95)
    one, other = (
        replace(arm(hits.astype(int).tolist()), models=("a", "b", "c")) for hits in (right, fewer)
    )
    paired = compare(one, other)
    apart = compare(*(replace(scores, models=()) for scores in (one, other)))
    assert paired.difference == pytest.approx(apart.difference)
    assert paired.high - paired.low < 0.2 * (apart.high - apart.low)
    assert other.of_seeds([2, 1]).models == ("b", "a")


@pytest.mark.parametrize("models", [("x", "y", "z"), ("b", "a", "c"), ()])
def test_other_models_of_the_same_seeds_are_not_paired(models):
    one, other = random_arm(0.5, 1), random_arm(0.6, 2)
    found = compare(replace(one, models=("a", "b", "c")), replace(other, models=models))
    assert found == compare(one, other)


def test_planted_seeds_that_are_not_paired_are_caught(monkeypatch):
    monkeypatch.setattr(Scores, "models", property(lambda self: (), lambda self, value: None))
    with pytest.raises(AssertionError):
        paired_equals_scipy()
