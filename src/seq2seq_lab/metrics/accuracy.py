"""Exact match, as a whole and by the length of the source."""

from collections.abc import Sequence
from itertools import pairwise

from seq2seq_lab.metrics.bleu import check_parallel


def matches(hypotheses: Sequence[str], references: Sequence[str]) -> list[float]:
    """Return for each pair 100.0 if both texts are equal, else 0.0."""
    check_parallel(hypotheses, references)
    return [100.0 * (h == r) for h, r in zip(hypotheses, references, strict=True)]


def exact_match(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Return the percentage of hypotheses that equal their reference."""
    found = matches(hypotheses, references)
    return sum(found) / len(found)


def by_length_quarter(sources: Sequence[str], values: Sequence[float]) -> list[float]:
    """Return the mean value of each quarter of the sources, shortest quarter first.

    Length is counted in characters; sources of equal length stay in their order, so the bins never depend on chance.
    The sizes of the quarters differ by one at most; fewer than four sources give as many bins as sources.
    """
    if len(sources) != len(values):
        raise ValueError(f"{len(values)} values for {len(sources)} sources: one each is needed")
    if not sources:
        raise ValueError("no sources: a mean of nothing is not defined; give at least one")
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))  # a stable sort
    bins = min(4, len(order))
    edges = [len(order) * k // bins for k in range(bins + 1)]
    quarters = [order[a:b] for a, b in pairwise(edges)]
    return [sum(values[i] for i in quarter) / len(quarter) for quarter in quarters]
