"""Automatic splits, a function of the texts alone: without overlap, with at least one pair each.

Pairs with the same key form a group, and a group lies in one split. Groups are ranked by the SHA-256 of their key,
so neither a seed nor the order of the file matters; the first groups that fit become the test split, the next the
validation split. A share of 0 means that nothing is held out: that split repeats the training pairs, which is said
in the counts (and seen as overlap in the data report).
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.data.pairs import select, sources_of
from seq2seq_lab.errors import DataError

MAX_HELD_OUT = 2000
"""No automatic split holds more pairs: scores get no better by it, decoding them takes longer."""
REPEATS = "same pairs as train, kept"
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Shares:
    """The share of the pairs that each split gets."""

    val: float
    test: float

    def __post_init__(self) -> None:
        for name, share in (("val_fraction", self.val), ("test_fraction", self.test)):
            if not 0 <= share < 1:
                raise ValueError(
                    f"{name}={share}: must be >= 0 and < 1; 0 holds nothing out and repeats the training pairs"
                )
        if self.val + self.test >= 1:
            total = f"val_fraction={self.val} and test_fraction={self.test}"
            raise ValueError(f"{total} leave nothing to train on: their sum must be < 1")


def by_source(pairs: Sequence[Pair]) -> Iterable[str]:
    """Return the source of each pair as its key: a source with several translations stays in one split."""
    return sources_of(pairs)


def by_either_side(pairs: Sequence[Pair]) -> list[str]:
    """Return a key for each pair such that pairs that share a source or a target, also through others, share it.

    The key of such a component is its smallest text, so it does not depend on the order of the pairs.
    """
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for pair in pairs:
        a, b = root("s" + pair.source), root("t" + pair.target)
        parent[max(a, b)] = min(a, b)
    return [root("s" + pair.source) for pair in pairs]


def _ranks(keys: Iterable[str]) -> npt.NDArray[np.uint64]:
    """Return the first 8 bytes of each key's SHA-256; of ten million keys two share them once in 400,000 corpora."""
    digests = bytearray()
    for key in keys:
        digests += hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8]
    return np.frombuffer(digests, ">u8").astype(np.uint64)


def assign(keys: Iterable[str], shares: Shares, where: str) -> npt.NDArray[np.int8]:
    """Return the split of each pair by its key, as an index of `SPLITS`; `where` names the file in errors."""
    ranks, group_of, sizes = np.unique(_ranks(keys), return_inverse=True, return_counts=True)
    wanted = [
        (name, share) for name, share in (("test", shares.test), ("val", shares.val)) if share
    ]
    if len(sizes) <= len(wanted):
        raise DataError(
            f"{where}: {len(group_of)} pairs, {len(sizes)} of them unlike the others, cannot be split into train, "
            "val and test; give more pairs, or train and score on the same ones: debug=overfit, "
            "or data.val_fraction=0 data.test_fraction=0"
        )
    del ranks
    split_of = np.zeros(len(sizes), np.int8)
    for done, (name, share) in enumerate(wanted, start=1):
        quota = min(max(1, round(share * len(group_of))), MAX_HELD_OUT)
        left = np.flatnonzero(split_of == 0)  # in the order of the ranks
        most = len(left) - 1 - (len(wanted) - done)  # a group for each split to come and training
        split_of[_take(left, sizes, quota, most)] = SPLITS.index(name)
    return split_of[group_of]


def _take(
    ranked: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], quota: int, most: int
) -> list[int]:
    """Return the first groups that fit, or the first of the smallest ones."""
    taken: list[int] = []
    for group in ranked[sizes[ranked] <= quota]:
        if len(taken) == most or quota == 0:
            break
        if sizes[group] <= quota:
            taken.append(int(group))
            quota -= int(sizes[group])
    return taken or [int(ranked[sizes[ranked].argmin()])]


def split_pairs(
    pairs: Sequence[Pair],
    keys: Iterable[str],
    shares: Shares,
    dropped: dict[str, int],
    where: str,
) -> ParallelText:
    """Return the three splits, each in the order of the file; `dropped` was counted while reading the file."""
    found = assign(keys, shares, where)
    splits = {name: select(pairs, np.flatnonzero(found == i)) for i, name in enumerate(SPLITS)}
    counts = {"train": dropped} if dropped else {}
    for name, share in (("val", shares.val), ("test", shares.test)):
        if not share:
            splits[name] = splits["train"]
            counts[name] = {REPEATS: len(splits[name])}
    return ParallelText(**splits, dropped=counts)
