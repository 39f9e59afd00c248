"""Student's t distribution: tail, quantile, and the power of a t test (numpy has none of them)."""

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np

_STEPS, _TINY = 2_000, 1e-300


def two_sided_tail(t: float, df: float) -> float:
    """Return P(|T| >= |t|) for `df` > 0 degrees of freedom."""
    if math.isinf(t):
        return 0.0
    return _incomplete_beta(df / 2.0, 0.5, df / (df + t * t))


@lru_cache(maxsize=4096)
def two_sided_quantile(tail: float, df: float) -> float:
    """Return t >= 0 with P(|T| >= t) = `tail`, which is in (0, 1].

    Newton's method on log t -> log tail, which is concave: it converges from the normal quantile, which is smaller.
    """
    if tail >= 1.0:
        return 0.0
    t = -NormalDist().inv_cdf(tail / 2.0)
    log_density = (
        math.lgamma((df + 1.0) / 2.0) - math.lgamma(df / 2.0) - math.log(df * math.pi) / 2.0
    )
    for _ in range(100):
        found = two_sided_tail(t, df)
        density = 2.0 * math.exp(log_density - (df + 1.0) / 2.0 * math.log1p(t * t / df))
        step = math.log(found / tail) * found / (density * t)
        t *= math.exp(step)
        if abs(step) < 1e-14:
            break
    return t


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function by its continued fraction (Lentz's algorithm)."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _incomplete_beta(b, a, 1.0 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(log_front + a * math.log(x) + b * math.log1p(-x)) / a
    d = 1.0 / ((1.0 - (a + b) * x / (a + 1.0)) or _TINY)
    c, fraction = 1.0, d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 / ((1.0 + term * d) or _TINY)
            c = (1.0 + term / c) or _TINY
            fraction *= d * c
        if abs(d * c - 1.0) < 1e-16:
            break
    return front * fraction


@lru_cache(maxsize=256)
def detectable_shift(df: float, power: float = 0.8, level: float = 0.05) -> float:
    """Return how many standard errors a true effect must be for a two-sided t test to find it with this power.

    The noncentral t distribution, integrated over the estimated standard error.
    """
    critical = two_sided_quantile(level, df)
    # s = sqrt(chi2 / df), the estimated standard error over the true one, has density ~ s^(df-1) exp(-df s^2 / 2);
    # over log s it falls off smoothly on both sides, so that a plain sum is exact to rounding
    tail = 9.0 / math.sqrt(2.0 * df)
    s = np.exp(np.linspace(-33.0 / df - tail, tail, _STEPS))
    log_density = df * np.log(s) - df * s * s / 2.0
    weights = np.exp(log_density - log_density.max())
    weights /= weights.sum()
    normal = NormalDist()

    def reached(shift: float) -> float:
        return sum(
            w * (normal.cdf(shift - critical * x) + normal.cdf(-shift - critical * x))
            for w, x in zip(weights.tolist(), s.tolist(), strict=True)
            if w > 1e-18
        )

    low, high = 0.0, 1.0
    while reached(high) < power:
        low, high = high, 2.0 * high
    while high - low > 1e-13 * high:
        middle = (low + high) / 2.0
        low, high = (middle, high) if reached(middle) < power else (low, middle)
    return high


def smallest_effect(deviation: float, seeds: int, *, paired: bool) -> float:
    """Return the smallest true difference of two arms that `seeds` runs of each show with 80 % power at 5 %.

    `deviation` is the standard deviation between seeds: of the differences if paired, else of one arm's scores.
    """
    if seeds < 2:
        raise ValueError(f"seeds={seeds}: must be >= 2; one seed says nothing about the seed")
    df = seeds - 1 if paired else 2 * (seeds - 1)
    error = deviation * math.sqrt((1.0 if paired else 2.0) / seeds)
    return detectable_shift(float(df)) * error
