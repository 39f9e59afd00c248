"""Automatic splits, a function of the texts alone: without overlap, with at least one pair each.

Pairs with the same key form a group, and a group lies in one split. Groups are ranked by the SHA-256 of their key,
so neither a seed nor the order of the file matters; the first groups that fit become the test split, the next the
validation split. A share of 0 means that nothing is held out: that split repeats the training pairs, which is said
in the counts (and seen as overlap in the data report).
"""

import hashlib
from dataclasses import dataclass

from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.errors import DataError

MAX_HELD_OUT = 2000
"""No automatic split holds more pairs: scores get no better by it, decoding them takes longer."""
REPEATS = "same pairs as train, kept"


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


def by_source(pairs: list[Pair]) -> list[str]:
    """Return the source of each pair as its key: a source with several translations stays in one split."""
    return [pair.source for pair in pairs]


def by_either_side(pairs: list[Pair]) -> list[str]:
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


def _rank(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8")).digest()


def assign(keys: list[str], shares: Shares, where: str) -> list[str]:
    """Return the split (`train`, `val` or `test`) of each pair by its key; `where` names the file in errors."""
    sizes: dict[str, int] = {}
    for key in keys:
        sizes[key] = sizes.get(key, 0) + 1
    wanted = [
        (name, share) for name, share in (("test", shares.test), ("val", shares.val)) if share
    ]
    if len(sizes) <= len(wanted):
        raise DataError(
            f"{where}: {len(keys)} pairs, {len(sizes)} of them unlike the others, cannot be split into train, "
            "val and test; give more pairs, or train and score on the same ones: debug=overfit, "
            "or data.val_fraction=0 data.test_fraction=0"
        )
    left = sorted(sizes, key=_rank)
    chosen: dict[str, str] = {}
    for done, (name, share) in enumerate(wanted, start=1):
        quota = min(max(1, round(share * len(keys))), MAX_HELD_OUT)
        most = (
            len(left) - 1 - (len(wanted) - done)
        )  # leave a group for each split to come and for training
        taken = _take(left, sizes, quota, most)
        chosen.update(dict.fromkeys(taken, name))
        left = [key for key in left if key not in chosen]
    return [chosen.get(key, "train") for key in keys]


def _take(ranked: list[str], sizes: dict[str, int], quota: int, most: int) -> list[str]:
    taken: list[str] = []
    for key in ranked:
        if len(taken) == most or quota == 0:
            break
        if sizes[key] <= quota:
            taken.append(key)
            quota -= sizes[key]
    return taken or [min(ranked, key=lambda key: (sizes[key], _rank(key)))]


def split_pairs(
    pairs: list[Pair], keys: list[str], shares: Shares, dropped: dict[str, int], where: str
) -> ParallelText:
    """Return the three splits, each in the order of the file; `dropped` was counted while reading the file."""
    splits: dict[str, list[Pair]] = {"train": [], "val": [], "test": []}
    for pair, name in zip(pairs, assign(keys, shares, where), strict=True):
        splits[name].append(pair)
    counts = {"train": dropped} if dropped else {}
    for name, share in (("val", shares.val), ("test", shares.test)):
        if not share:
            splits[name] = list(splits["train"])
            counts[name] = {REPEATS: len(splits[name])}
    return ParallelText(**splits, dropped=counts)
