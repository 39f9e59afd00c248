"""Pieces of the variance, degrees of freedom, interval and p-value by hand and by simulation."""

import math

import numpy as np
import pytest

from seq2seq_lab.report.spread import SeedPiece, Spread, spread
from seq2seq_lab.report.t_distribution import two_sided_quantile


def of(*arms: np.ndarray) -> Spread:
    return spread([a.mean(1) for a in arms], [a - a.mean(1, keepdims=True) for a in arms])


def test_variance_pieces_by_hand():
    found = of(np.array([[1.0, 3.0, 2.0], [2.0, 4.0, 6.0]]))  # two seeds, three sentences
    (seeds,) = found.arms
    assert seeds.variance == pytest.approx(2.0 / 2)  # means 2 and 4
    # sentence means 1.5, 3.5, 4: variance 1.75; what is left: +-0.5, +-0.5, -+1 around them
    assert seeds.together == pytest.approx((3.0 / 2) / 6)
    assert found.sentences == pytest.approx(1.75 / 3 - (3.0 / 2) / 6)
    assert (seeds.num_seeds, found.num_sentences) == (2, 3)


def test_pieces_of_two_arms_recover_what_was_simulated():
    generator = np.random.default_rng(0)
    common = 3.0 * generator.normal(size=(1, 300))  # what both arms find hard does not count
    one = generator.normal(size=(400, 300)) + 2.0 * generator.normal(size=(400, 1)) + common
    other = generator.normal(size=(200, 300)) + common + 1.5 * generator.normal(size=(1, 300))
    found = of(one, other)
    assert found.arms[0].variance * 400 == pytest.approx(4.0, rel=0.15)
    assert found.arms[1].variance * 200 == pytest.approx(1 / 300, rel=0.3)
    assert found.arms[1].together * 200 == pytest.approx(1 / 300, rel=0.02)
    assert found.sentences * 300 == pytest.approx(1.5**2, rel=0.15)


def test_degrees_of_freedom_by_hand():
    # U = 2 - 0.1, 1 - 0.2: sum 2.7 of V = 4; g = 2.7^2 / (1.9^2 / 2 + 0.8^2 / 4)
    found = Spread((SeedPiece(2.0, 0.4, 3), SeedPiece(1.0, 0.8, 5)), 1.0, 11)
    g = 2.7**2 / (1.9**2 / 2 + 0.8**2 / 4)
    assert found.total == 4.0
    expected = 1 / ((2.7 / 4) ** 1.5 / g + (1 / 4) ** 2 / 10)
    assert found.degrees_of_freedom == pytest.approx(expected, rel=1e-12)
    raised = Spread((SeedPiece(0.1, 0.8, 3),), 1.0, 11)  # less than what is certain
    assert raised.total == 1.8


def test_ends_are_the_t_tests_that_everybody_knows():
    one = Spread((SeedPiece(0.5, 0.0, 3),))
    assert one.degrees_of_freedom == pytest.approx(2.0)
    welch = Spread((SeedPiece(0.5, 0.0, 3), SeedPiece(0.5, 0.0, 3)))
    assert welch.degrees_of_freedom == pytest.approx(4.0)
    sentences = Spread((SeedPiece(0.0, 0.0, 3), SeedPiece(0.0, 0.0, 3)), 2.0, 100)
    assert sentences.degrees_of_freedom == pytest.approx(99.0)
    assert sentences.half_width() == pytest.approx(two_sided_quantile(0.05, 99.0) * math.sqrt(2.0))


@pytest.mark.parametrize("scale", [1e-150, 1e-9, 1.0, 1e9])
def test_units_change_nothing(scale):
    found = Spread((SeedPiece(2.0 * scale, 0.4 * scale, 3),), scale, 11)
    assert found.degrees_of_freedom == pytest.approx(
        Spread((SeedPiece(2.0, 0.4, 3),), 1.0, 11).degrees_of_freedom
    )


@pytest.mark.parametrize("pieces", [(0.3, 0.0), (0.0, 0.2), (0.3, 0.2), (1e-6, 0.4), (0.5, 1e-7)])
@pytest.mark.parametrize("difference", [-0.01, 0.4, 1.7, 30.0])
def test_p_is_the_level_whose_interval_touches_zero(pieces, difference):
    found = Spread((SeedPiece(pieces[0], 0.1 * pieces[0], 3),) * 2, pieces[1], 200)
    p = found.p_value(difference)
    assert p < 1e-99 or found.half_width(p) == pytest.approx(abs(difference), rel=1e-9)
    assert (p < 0.05) == (found.half_width() < abs(difference))


def test_nothing_varies():
    still = Spread((SeedPiece(0.0, 0.0, 3), SeedPiece(0.0, 0.0, 3)))
    assert (still.half_width(), still.smallest_effect()) == (0.0, 0.0)
    assert (still.p_value(1e-9), still.p_value(0.0)) == (0.0, 1.0)


def test_smallest_effect_is_found_four_times_in_five():
    generator = np.random.default_rng(1)
    shape, hits, studies = (5, 60), 0, 1_500
    seed, both = 0.5**2 / 5, 1 / 300
    true = Spread((SeedPiece(seed + both, both, 5),) * 2, 2 * 0.8**2 / 60, 60).smallest_effect()
    for _ in range(studies):
        arms = [
            generator.normal(mean, 1.0, shape)
            + 0.5 * generator.normal(size=(5, 1))
            + 0.8 * generator.normal(size=(1, 60))
            for mean in (true, 0.0)
        ]
        hits += abs(arms[0].mean() - arms[1].mean()) > of(*arms).half_width()
    assert hits / studies == pytest.approx(0.8, abs=0.06)
