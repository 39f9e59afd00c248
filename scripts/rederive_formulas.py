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


def variances(
    arms: list[list[float]], parts: list[np.ndarray] | None, signs: tuple[int, ...] = (1, -1)
) -> tuple[list, float, int]:
    """Return (A, C, n) of each arm, what sentences add, and their number; parts are (seeds, sentences) for each arm.

    `signs` are those with which the means of the arms are added.
    """
    between = [float(np.var(values, ddof=1)) / len(values) for values in arms]
    if parts is None or parts[0].shape[1] < 2:
        return [(a, 0.0, len(v)) for a, v in zip(between, arms, strict=True)], 0.0, 1
    size, found = parts[0].shape[1], []
    for a, part in zip(between, parts, strict=True):
        n = len(part)
        rest = part - part.mean(0) - part.mean(1)[:, None] + part.mean()
        found.append((a, (rest**2).sum() / ((n - 1) * (size - 1)) / (n * size), n))
    means = sum(sign * part.mean(0) for sign, part in zip(signs, parts, strict=False))
    return found, max(means.var(ddof=1) / size - sum(c for _, c, _ in found), 0.0), size


def total_and_df(found: tuple[list, float, int]) -> tuple[float, float]:
    """Return the variance and its degrees of freedom (docs/statistics.md)."""
    arms, sentences, size = found
    raised = [max(a, c) for a, c, _ in arms]
    unknown = [a - c / 4 for a, (_, c, _) in zip(raised, arms, strict=True)]
    total, u = sum(raised) + sentences, sum(unknown)
    inverse = (sentences / total) ** 2 / (size - 1) if sentences > 0 else 0.0
    if u > 0:
        g = sum((x / u) ** 2 / (n - 1) for x, (_, _, n) in zip(unknown, arms, strict=True))
        inverse += g * (u / total) ** 1.5
    return total, 1 / inverse if inverse > 0 else float(sum(n - 1 for _, _, n in arms))


def half_width(found: tuple[list, float, int], p: float = 0.05) -> float:
    total, df = total_and_df(found)
    return math.sqrt(total) * quantile(p, df)


def p_value(found: tuple[list, float, int], difference: float) -> float:
    total, df = total_and_df(found)
    if total <= 0 or difference == 0:
        return float(difference == 0)
    return tail(abs(difference) / math.sqrt(total), df)


def smallest_effect(found: tuple[list, float, int]) -> float:
    total, df = total_and_df(found)
    return math.sqrt(total) * shift(df)


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
    u = (nodes + 1) / 2
    # s^(df-1) is not smooth at 0 for a broken df: of u with s - low ~ u^4 it is
    s = low + u**4 * (high - low)
    density = weights * u**3 * np.exp((df - 1) * np.log(s) - df * (s * s - 1) / 2)
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
    return np.array([score(row) for row in sums[chosen].sum(1).astype("float32")])


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
