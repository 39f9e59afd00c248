"""Exact match of hypotheses and references, and quarters of sentences by the length of a text."""

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
