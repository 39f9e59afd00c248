"""Exact match of hypotheses and references, and means by the length of the source."""

from collections.abc import Sequence
from itertools import pairwise


def exact_matches(
    hypotheses: Sequence[str], references: Sequence[str]
) -> list[tuple[float, float]]:
    """Return for each pair whether both texts are equal (1 or 0), and 1."""
    return [(float(h == r), 1.0) for h, r in zip(hypotheses, references, strict=True)]


def length_quarters(sources: Sequence[str]) -> list[list[int]]:
    """Return the indices of the sources in each quarter by length, shortest quarter first.

    Length is counted in characters; sources of equal length stay in their order, so the bins never depend on chance.
    The sizes of the quarters differ by one at most; fewer than four sources give as many bins as sources.
    """
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))  # a stable sort
    bins = min(4, len(order))
    edges = [len(order) * k // bins for k in range(bins + 1)] if bins else []
    return [order[a:b] for a, b in pairwise(edges)]


def by_length_quarter(sources: Sequence[str], values: Sequence[float]) -> list[float]:
    """Return the mean value of each quarter of the sources, shortest quarter first."""
    if len(sources) != len(values):
        raise ValueError(f"{len(values)} values for {len(sources)} sources: one each is needed")
    if not sources:
        raise ValueError("no sources: a mean of nothing is not defined; give at least one")
    return [sum(values[i] for i in part) / len(part) for part in length_quarters(sources)]
