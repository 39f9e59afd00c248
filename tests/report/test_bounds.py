"""Intervals of bounded scores lie within the bounds, and hold the mean of all seeds more often than cut ones."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit

from seq2seq_lab.metrics.table import METRICS, bounds_of
from seq2seq_lab.report.bounds import bounded
from seq2seq_lab.report.statistics import Interval, Scores, over_seeds

PERCENT = (0.0, 100.0)
RATE = (0.0, math.inf)


def symmetric(mean: float, half: float) -> Interval:
    return Interval(mean, 1.0, mean - half, mean + half)


def test_log_odds_by_hand():
    found = bounded(symmetric(80.0, 8.0), PERCENT)
    # odds 4; 8 points are 8 / (100 * 0.8 * 0.2) = 0.5 of log odds
    low, high = 4.0 * math.exp(-0.5), 4.0 * math.exp(0.5)
    expected = (100 * low / (1 + low), 100 * high / (1 + high))
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-10)
    assert (found.mean, found.deviation) == (80.0, 1.0)


def test_above_one_bound_by_hand():
    found = bounded(symmetric(20.0, 10.0), RATE)
    assert (found.low, found.high) == pytest.approx(
        (20 * math.exp(-0.5), 20 * math.exp(0.5)), abs=1e-10
    )


@pytest.mark.parametrize("bounds", [PERCENT, RATE])
@pytest.mark.parametrize("mean", [1e-9, 0.3, 50.0, 99.9, 100.0 - 1e-9])
@pytest.mark.parametrize("half", [0.0, 1e-6, 2.0, 80.0, 1e5])
def test_no_end_leaves_the_bounds(bounds, mean, half):
    found = bounded(symmetric(mean, half), bounds)
    assert bounds[0] <= found.low <= mean + 1e-9
    assert mean - 1e-9 <= found.high <= bounds[1]


def test_far_from_a_bound_it_is_the_interval_over_seeds():
    found = bounded(symmetric(40.0, 0.5), PERCENT)
    assert (found.low, found.high) == pytest.approx((39.5, 40.5), abs=0.01)


@pytest.mark.parametrize(
    ("interval", "bounds"),
    [
        (symmetric(100.0, 0.0), PERCENT),
        (symmetric(2.5, 9.0), (-math.inf, math.inf)),
        (Interval(60.0, math.nan, math.nan, math.nan), PERCENT),
    ],
)
def test_what_has_no_room_or_no_bounds_stays(interval, bounds):
    found = bounded(interval, bounds)
    assert repr(found) == repr(interval)


def test_metrics_have_bounds_and_losses_have_none():
    assert {bounds_of(f"test/{name}")[0] for name in METRICS} == {0.0}
    assert bounds_of("test/bleu") == PERCENT
    assert bounds_of("test/loss") == (-math.inf, math.inf)


def coverage(interval: Callable[[Interval], Interval], middle: float, sd: float) -> float:
    """Return how often the interval of 3 seeds holds the mean of all seeds; logits of the share right are normal."""
    generator = np.random.default_rng(5)
    truth = 100.0 * float(expit(middle + sd * generator.normal(size=200_000)).mean())
    shares = expit(middle + sd * generator.normal(size=(3_000, 3)))
    scores = 100.0 * generator.binomial(500, shares) / 500
    found = [interval(over_seeds(Scores((1, 2, 3), row))) for row in scores]
    return sum(one.low <= truth <= one.high for one in found) / len(found)


def ours(interval: Interval) -> Interval:
    return bounded(interval, PERCENT)


def cut(interval: Interval) -> Interval:
    low, high = max(interval.low, 0.0), min(interval.high, 100.0)
    return Interval(interval.mean, interval.deviation, low, high)


@pytest.mark.parametrize(("middle", "sd"), [(0.0, 0.2), (3.0, 0.5), (4.0, 1.0), (-4.0, 0.5)])
def test_it_holds_the_truth_about_95_times_in_100(middle, sd):
    assert 0.92 <= coverage(ours, middle, sd) <= 0.97


def test_planted_cut_interval_is_caught():
    with pytest.raises(AssertionError):
        assert coverage(cut, 4.0, 1.0) >= 0.92
