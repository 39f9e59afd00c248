"""Random draws for the generated corpora, and their disjoint splits.

Which split a sentence belongs to is decided by the hash of its source alone, so no two splits ever share a source:
not within a corpus, and not between corpora of another seed, size or length either. Growing one split leaves the
others as they are.
"""

import hashlib
import math
from collections.abc import Iterator
from typing import TypeVar

import torch

from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.errors import DataError

SPLITS = ("train", "val", "test")
_BUCKETS = ("test", "val", *["train"] * 8)
_BUFFER = 4096
_Item = TypeVar("_Item")


def split_of(source: str) -> str:
    """Return the only split in which this source may occur: one in ten is for test, one in ten for validation."""
    digest = hashlib.blake2b(source.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return _BUCKETS[int.from_bytes(digest, "big") % len(_BUCKETS)]


class Dice:
    """Random whole numbers, from a generator of their own."""

    def __init__(self, seed: int):
        self._generator = torch.Generator().manual_seed(seed)
        self._buffer: list[float] = []

    def fraction(self) -> float:
        """Return a number from 0 inclusive to 1 exclusive."""
        if not self._buffer:
            # one call for many: a call costs more than the numbers it brings
            drawn = torch.rand(_BUFFER, generator=self._generator, dtype=torch.float64)
            self._buffer = drawn.tolist()
        return self._buffer.pop()

    def below(self, limit: int) -> int:
        """Return a number from 0 to limit - 1."""
        return min(int(self.fraction() * limit), limit - 1)  # the product can round up to the limit

    def between(self, low: int, high: int) -> int:
        """Return a number from low to high, both inclusive."""
        return low + self.below(high - low + 1)

    def log_uniform(self, highest: int) -> int:
        """Return a number from 0 to highest: first how many digits, each count alike, then one with so many."""
        digits = int(self.fraction() * math.log10(highest + 1))
        return self.between(10**digits if digits else 0, min(10 ** (digits + 1) - 1, highest))

    def pick(self, items: list[_Item]) -> _Item:
        """Return one of the items."""
        return items[self.below(len(items))]

    def sample(self, items: list[_Item], count: int) -> list[_Item]:
        """Return `count` different items in random order."""
        chosen: dict[int, None] = {}
        while len(chosen) < count:
            chosen[self.below(len(items))] = None
        return [items[i] for i in chosen]


def fill_splits(draws: Iterator[Pair], sizes: dict[str, int], advice: str) -> ParallelText:
    """Take pairs until every split named in `sizes` has so many, no source twice; other splits stay empty.

    Raises `DataError`, closed by `advice`, when the draws bring hardly anything new.
    """
    splits: dict[str, list[Pair]] = {name: [] for name in SPLITS}
    seen: set[str] = set()
    missing = sum(sizes.values())
    patience = 20 * missing + 1_000
    while missing:
        pair = next(draws)
        split = split_of(pair.source)
        patience -= 1
        if len(splits[split]) < sizes.get(split, 0) and pair.source not in seen:
            seen.add(pair.source)
            splits[split].append(pair)
            missing -= 1
        elif patience <= 0:
            found = ", ".join(f"{len(splits[name])} of {n} {name}" for name, n in sizes.items())
            raise DataError(f"too few different sentences can be drawn ({found}); {advice}")
    return ParallelText(splits["train"], splits["val"], splits["test"])


def check_sizes(num_train: int, num_val: int, num_test: int) -> dict[str, int]:
    """Return the wanted number of pairs per split; raise `ValueError` for one below 1."""
    sizes = {"train": num_train, "val": num_val, "test": num_test}
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"num_{name}={size}: must be >= 1")
    return sizes


def check_range(low_name: str, low: int, high_name: str, high: int, least: int = 1) -> None:
    """Raise `ValueError` unless least <= low <= high."""
    if low < least:
        raise ValueError(f"{low_name}={low}: must be >= {least}")
    if high < low:
        raise ValueError(f"{high_name}={high}: must be >= {low_name}={low}")
