"""BPE-dropout (Provilkov et al. 2020): a word's pieces when some of its merges are left out at random."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Generator(Protocol):
    """What draws: a `numpy.random.Generator`, named so that numpy is not imported where nothing is drawn."""

    def random(self, size: int, /) -> Any:
        """Return so many numbers of [0, 1)."""
        ...


def merged(
    symbols: list[str],
    ranks: Mapping[tuple[str, str], int],
    dropout: float,
    generator: Generator,
) -> list[str]:
    """Return the symbols of a word after merging: at each merge every possible one is dropped with this probability.

    The merge that was learned first is carried out, of equal ones the leftmost; when all are dropped the word is done.
    """
    while len(symbols) > 1:
        kept = generator.random(len(symbols) - 1) >= dropout
        best, place = len(ranks), -1
        for i, pair in enumerate(pairwise(symbols)):
            rank = ranks.get(pair, best)
            if rank < best and kept[i]:
                best, place = rank, i
        if place < 0:
            return symbols
        symbols[place : place + 2] = [symbols[place] + symbols[place + 1]]
    return symbols
