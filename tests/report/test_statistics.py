"""Means, comparisons and corrections by hand, and what is said when seeds are few."""

import math

import numpy as np
import pytest

from seq2seq_lab.metrics.table import METRICS
from seq2seq_lab.report.resampling import paired_bootstrap
from seq2seq_lab.report.statistics import (
    NO_SENTENCES,
    ONE_SEED,
    Scores,
    Spread,
    compare,
    holm,
    over_seeds,
    scores_of,
    spread,
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


def test_variance_pieces_by_hand():
    gaps = np.array([[1.0, 3.0, 2.0], [2.0, 4.0, 6.0]])  # two seeds, three sentences
    found = spread(gaps.mean(1), gaps - gaps.mean(1, keepdims=True))
    assert found.between_seeds == pytest.approx(2.0 / 2)  # means 2 and 4
    # sentence means 1.5, 3.5, 4: variance 1.75; what is left: +-0.5, +-0.5, -+1 around them
    assert found.sentences == pytest.approx(1.75 / 3 - (3.0 / 2) / 6)


def test_two_way_pieces_recover_what_was_simulated():
    generator = np.random.default_rng(0)
    gaps = generator.normal(size=(400, 300)) + 2.0 * generator.normal(size=(400, 1))
    gaps += 3.0 * generator.normal(size=(1, 300))
    found = spread(gaps.mean(1), gaps - gaps.mean(1, keepdims=True))
    assert found.between_seeds * 400 == pytest.approx(4.0, rel=0.15)
    assert found.sentences * 300 == pytest.approx(9.0, rel=0.15)


@pytest.mark.parametrize("pieces", [(0.3, 0.0), (0.0, 0.2), (0.3, 0.2), (1e-6, 0.4), (0.5, 1e-7)])
@pytest.mark.parametrize("difference", [-0.01, 0.4, 1.7, 30.0])
def test_p_is_the_level_whose_interval_touches_zero(pieces, difference):
    found = Spread(*pieces, 3, 200)
    p = found.p_value(difference)
    assert p < 1e-99 or found.half_width(p) == pytest.approx(abs(difference), rel=1e-9)
    assert (p < 0.05) == (found.half_width() < abs(difference))


def test_smallest_effect_of_a_comparison_is_found_four_times_in_five():
    generator = np.random.default_rng(1)
    shape, hits, studies = (5, 60), 0, 1_500
    true = Spread(0.5**2 / 5 + 1 / 300, 0.8**2 / 60, *shape).smallest_effect()
    for _ in range(studies):
        gaps = generator.normal(true, 1.0, shape) + 0.5 * generator.normal(size=(5, 1))
        gaps += 0.8 * generator.normal(size=(1, 60))
        found = spread(gaps.mean(1), gaps - gaps.mean(1, keepdims=True))
        hits += abs(gaps.mean()) > found.half_width()
    assert hits / studies == pytest.approx(0.8, abs=0.06)


def test_one_seed_is_sacrebleus_test_with_a_loud_note():
    one, other = random_arm(0.3, 1, seeds=1), random_arm(0.6, 2, seeds=1)
    found, expected = (
        compare(one, other),
        paired_bootstrap(EXACT, one.statistics[0], other.statistics[0]),
    )
    assert (found.p, found.low, found.high) == (expected.p, expected.low, expected.high)
    assert found.note == over_seeds(one).note == ONE_SEED
    assert math.isnan(found.smallest_effect)


def test_only_common_seeds_are_compared():
    one = arm([[1, 0, 1, 1], [0, 0, 1, 1], [1, 1, 1, 1]], (1, 2, 3))
    other = arm([[1, 1, 1, 1], [0, 0, 0, 0]], (3, 2))
    found = compare(one, other)
    assert (found.num_seeds, found.difference) == (2, (0.0 - 50.0) / 2)
    assert math.isnan(compare(one, arm([[1, 1, 1, 1]], (9,))).p)


def test_a_metric_without_sentences_is_compared_over_seeds():
    one, other = (Scores((1, 2, 3), np.array(v)) for v in ([2.0, 2.1, 2.3], [1.0, 1.2, 1.1]))
    found = compare(one, other)
    gaps = np.array([-1.0, -0.9, -1.2])
    t = gaps.mean() / math.sqrt(gaps.var(ddof=1) / 3)
    assert found.note == NO_SENTENCES
    assert found.p == pytest.approx(1 - abs(t) / math.sqrt(2 + t * t), rel=1e-6)


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
