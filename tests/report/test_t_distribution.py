"""The t test against closed forms, mpmath's incomplete beta function and simulated t tests."""

import math

import numpy as np
import pytest

from seq2seq_lab.report.t_distribution import detectable_shift, two_sided_quantile, two_sided_tail


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0, 4.3, 50.0, 1e6])
def test_tail_has_its_closed_forms(t):
    assert two_sided_tail(t, 1.0) == pytest.approx(1 - 2 / math.pi * math.atan(t), rel=1e-9)
    assert two_sided_tail(t, 2.0) == pytest.approx(
        1 - t / math.sqrt(2 + t * t), rel=1e-3, abs=1e-15
    )


@pytest.mark.parametrize("df", [1.0, 2.0, 3.7, 29.0, 499.0])
@pytest.mark.parametrize("t", [0.1, 1.0, 3.0, 20.0, 1e4])
def test_tail_equals_another_library(t, df):
    mpmath = pytest.importorskip("mpmath")
    exact = float(mpmath.betainc(df / 2, 0.5, 0, df / (df + t * t), regularized=True))
    assert two_sided_tail(t, df) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("df", [1.0, 2.0, 4.0, 39.0, 999.0])
@pytest.mark.parametrize("tail", [1e-12, 1e-4, 0.05, 0.5, 0.99])
def test_quantile_inverts_the_tail(df, tail):
    assert two_sided_tail(two_sided_quantile(tail, df), df) == pytest.approx(tail, rel=1e-10)


def test_quantiles_of_the_printed_tables():
    printed = {1: 12.706, 2: 4.303, 4: 2.776, 9: 2.262, 30: 2.042}
    found = {df: round(two_sided_quantile(0.05, float(df)), 3) for df in printed}
    assert found == printed


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_smallest_effect_is_found_four_times_in_five(seeds):
    effect = 1.7 * detectable_shift(seeds - 1.0) / math.sqrt(seeds)
    runs = np.random.default_rng(0).normal(effect, 1.7, (20_000, seeds))
    t = runs.mean(1) / (runs.std(1, ddof=1) / math.sqrt(seeds))
    assert np.mean(abs(t) > two_sided_quantile(0.05, seeds - 1.0)) == pytest.approx(0.8, abs=0.012)


def test_smallest_effect_of_unpaired_arms():
    effect = detectable_shift(4.0) * math.sqrt(2 / 3)
    one, other = np.random.default_rng(0).normal(0.0, 1.0, (2, 20_000, 3))
    other = other + effect
    error = np.sqrt((one.var(1, ddof=1) + other.var(1, ddof=1)) / 3)
    t = (other.mean(1) - one.mean(1)) / error
    assert np.mean(abs(t) > two_sided_quantile(0.05, 4.0)) == pytest.approx(0.8, abs=0.012)


def test_many_degrees_of_freedom_need_the_normal_shift():
    assert detectable_shift(5000.0) == pytest.approx(1.959964 + 0.841621, abs=2e-3)
