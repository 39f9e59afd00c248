"""Tail, quantile and power of the two-sided t test, by scipy."""

from functools import lru_cache

from scipy.optimize import brentq
from scipy.special import nctdtr, stdtr, stdtrit


def two_sided_tail(t: float, df: float) -> float:
    """Return P(|T| >= |t|) for `df` > 0 degrees of freedom."""
    return 2.0 * float(stdtr(df, -abs(t)))


@lru_cache(maxsize=4096)
def two_sided_quantile(tail: float, df: float) -> float:
    """Return t >= 0 with P(|T| >= t) = `tail`, which is in (0, 1]."""
    return -float(stdtrit(df, tail / 2.0))


def power_at(shift: float, df: float, level: float = 0.05) -> float:
    """Return how often a two-sided t test finds a true effect of `shift` standard errors."""
    critical = two_sided_quantile(level, df)
    # P(T <= -c) is 1 - P(T <= c) under the opposite shift: below 1e-12 from 7 on, where nctdtr can be NaN
    above, below = nctdtr(df, shift, critical), nctdtr(df, -min(shift, 7.0), critical)
    return 2.0 - float(above) - float(below)


@lru_cache(maxsize=256)
def detectable_shift(df: float, power: float = 0.8, level: float = 0.05) -> float:
    """Return how many standard errors a true effect must be for a two-sided t test to find it with this power."""
    highest = 3.0 * two_sided_quantile(level, df)
    return float(brentq(lambda shift: power_at(shift, df, level) - power, 0.0, highest, xtol=1e-12))
