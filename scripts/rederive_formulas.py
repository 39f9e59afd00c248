"""The formulas behind a study's numbers, written a second time: numpy and the standard library only.

scripts/rederive.py uses them to check a report; the package has its own, by other methods.
"""

import math
from functools import cache

import numpy as np

# Student's t: P(|T| >= t) = integral of cos^(df-1) from atan(t / sqrt(df)) to pi/2, over the same from 0.


def cosine_integral(start: float, df: float) -> float:
    """Integrate cos(x)^(df - 1) from `start` to pi/2 by the tanh-sinh rule."""
    half = (math.pi / 2 - start) / 2
    u = np.arange(-4.5, 4.5, 1 / 32)
    weight = np.pi / 2 * np.cosh(u) / np.cosh(np.pi / 2 * np.sinh(u)) ** 2 / 32
    to_end = half * 2 / (1 + np.exp(np.pi * np.sinh(u)))  # pi/2 - x, exact near the end
    return float((half * weight * np.sin(to_end) ** (df - 1)).sum())


@cache
def whole_integral(df: float) -> float:
    return cosine_integral(0.0, df)


def tail(t: float, df: float) -> float:
    return cosine_integral(math.atan(t / math.sqrt(df)), df) / whole_integral(df)


@cache
def quantile(p: float, df: float) -> float:
    """Find t with tail(t) = p by bisection in log t."""
    low, high = -30.0, 80.0
    for _ in range(56):
        middle = (low + high) / 2
        low, high = (middle, high) if tail(math.exp(middle), df) > p else (low, middle)
    return math.exp((low + high) / 2)


def variances(values: list[float], parts: np.ndarray | None) -> tuple[float, float, int, int]:
    """Return the variance of the mean between seeds, what sentences add, and both counts."""
    n = len(values)
    between = float(np.var(values, ddof=1)) / n
    if parts is None or parts.shape[1] < 2:
        return between, 0.0, n, 1
    size = parts.shape[1]
    rest = parts - parts.mean(0) - parts.mean(1)[:, None] + parts.mean()
    both = (rest**2).sum() / ((n - 1) * (size - 1)) / (n * size)
    return between, max(parts.mean(0).var(ddof=1) / size - both, 0.0), n, size


def half_width(found: tuple[float, float, int, int], p: float = 0.05) -> float:
    between, sentences, n, size = found
    width = between * quantile(p, n - 1.0) ** 2
    return math.sqrt(width + (sentences * quantile(p, size - 1.0) ** 2 if sentences > 0 else 0.0))


def p_value(found: tuple[float, float, int, int], difference: float) -> float:
    """Find the level whose interval just reaches 0."""
    if found[0] + found[1] <= 0:
        return float(difference == 0)
    low, high = -230.3, 0.0
    for _ in range(50):
        middle = (low + high) / 2
        too_wide = half_width(found, math.exp(middle)) > abs(difference)
        low, high = (middle, high) if too_wide else (low, middle)
    return math.exp((low + high) / 2)


def holm(ps: list[float | None]) -> list[float | None]:
    known = sorted((p, i) for i, p in enumerate(ps) if p is not None)
    out, worst = [None] * len(ps), 0.0
    for rank, (p, i) in enumerate(known):
        worst = max(worst, min(1.0, p * (len(known) - rank)))
        out[i] = worst
    return out


@cache
def shift(df: float) -> float:
    """Return the noncentrality at which a t test at 5 % has 80 % power, by Gauss-Legendre."""
    spread = 10 / math.sqrt(2 * df)
    low, high = max(0.0, 1 - spread), 1 + spread
    nodes, weights = np.polynomial.legendre.leggauss(600)
    s = low + (nodes + 1) * (high - low) / 2
    density = weights * np.exp((df - 1) * np.log(s) - df * (s * s - 1) / 2)
    density /= density.sum()
    critical = quantile(0.05, df)

    def power(d: float) -> float:
        tails = (
            math.erfc((critical * x - d) / 2**0.5) + math.erfc((critical * x + d) / 2**0.5)
            for x in s
        )
        return sum(w * t / 2 for w, t in zip(density, tails, strict=True))

    low, high = 0.0, 1e3
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if power(middle) < 0.8 else (low, middle)
    return high


def jackknife(sums: np.ndarray, score) -> np.ndarray:
    without = np.array([score(sums.sum(0) - row) for row in sums])
    return (len(sums) - 1) * (without.mean() - without)


def middle_95(values: np.ndarray) -> tuple[float, float]:
    ordered, skip = np.sort(values), len(values) // 40
    return float(ordered[skip]), float(ordered[-skip - 1])


def resampled(sums: np.ndarray, score) -> np.ndarray:
    """Score 1,000 resamples of the sentences, as sacreBLEU's paired bootstrap draws them, in its precision."""
    chosen = np.random.default_rng(12345).choice(len(sums), size=(1000, len(sums)), replace=True)
    return np.array([score(row) for row in sums.astype("float32")[chosen].sum(1)])


def within(mean: float, half: float, bounds: tuple[float, float]) -> tuple[float, float]:
    """Return the ends of mean -+ half, moved to log odds (above one bound: logarithms) and back."""
    lowest, highest = bounds
    if not lowest < mean < highest or math.isinf(lowest):
        return mean - half, mean + half
    below = mean - lowest
    if math.isinf(highest):
        factor = math.exp(min(half / below, 700.0))
        return lowest + below / factor, lowest + below * factor
    above = highest - mean
    odds, factor = below / above, math.exp(min(half * (highest - lowest) / (below * above), 700.0))
    shares = [x / (1 + x) for x in (odds / factor, odds * factor)]
    return lowest + shares[0] * (highest - lowest), lowest + shares[1] * (highest - lowest)
