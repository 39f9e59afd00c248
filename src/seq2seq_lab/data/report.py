"""The data report of a run: counts of pairs read and left out, lengths, unknown tokens, and overlap of the splits."""

import hashlib
import json
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.pairs import Pairs, blocks


def fingerprint(pairs: Sequence[Pair]) -> str:
    """Return the SHA-256 of the texts in their order, and of the further references where there are any."""
    digest = hashlib.sha256()
    for block in blocks(pairs):
        text = "".join(f"{source}\n{target}\n" for source, target in zip(*block, strict=True))
        digest.update(text.encode("utf-8", "surrogatepass"))
    if not isinstance(pairs, Pairs) and any(pair.further for pair in pairs):
        digest.update(json.dumps([pair.further for pair in pairs]).encode())
    return digest.hexdigest()


Lengths = npt.NDArray[np.int32]


def quantiles(lengths: Lengths) -> dict[str, float]:
    """Return minimum, quartiles, 95th and 99th percentile and maximum, as `torch.quantile` has them.

    It refuses more than 16 million numbers and sorts them for each quantile.
    """
    if not len(lengths):
        return {}
    points = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "q99": 0.99}
    points["max"] = 1.0
    values, counts = np.unique(lengths, return_counts=True)
    ends = counts.cumsum()
    found = {}
    for name, q in points.items():
        rank = q * (len(lengths) - 1)
        low, high = (
            torch.tensor(
                float(values[np.searchsorted(ends, place, side="right")]), dtype=torch.double
            )
            for place in (int(rank), math.ceil(rank))
        )
        found[name] = float(torch.lerp(low, high, rank - int(rank)))
    return found


def side_report(lengths: Lengths, unknown: int) -> dict[str, object]:
    """Return token count, length quantiles and the share of unknown tokens of one side of a split."""
    total = int(lengths.sum(dtype=np.int64))
    return {
        "tokens": total,
        "length": quantiles(lengths),
        "unknown_rate": unknown / total if total else 0.0,
    }


def overlap(train: Sequence[Pair], other: Sequence[Pair]) -> dict[str, int]:
    """Count the pairs, and the sources, of a split that are in the training split too."""
    if other is train:
        return {"pairs_in_train": len(train), "sources_in_train": len(train)}
    wanted, sources = set(other), {pair.source for pair in other}
    pairs_seen: set[Pair] = set()
    sources_seen: set[str] = set()
    for block in blocks(train):
        near = sources.intersection(block[0])
        if near:
            sources_seen |= near
            pairs_seen |= wanted.intersection(map(Pair, *block))
    return {
        "pairs_in_train": sum(pair in pairs_seen for pair in other),
        "sources_in_train": sum(pair.source in sources_seen for pair in other),
    }
