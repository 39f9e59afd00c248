"""The data report of a run: counts of pairs read and left out, lengths, unknown tokens, and overlap of the splits."""

import hashlib
from collections.abc import Iterable

import torch

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.special_tokens import UNK


def fingerprint(pairs: Iterable[Pair]) -> str:
    """Return the SHA-256 of the texts in their order."""
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(f"{pair.source}\n{pair.target}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def quantiles(lengths: list[int]) -> dict[str, float]:
    """Return minimum, quartiles, 95th and 99th percentile and maximum."""
    if not lengths:
        return {}
    points = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "q99": 0.99}
    points["max"] = 1.0
    values = torch.tensor(lengths, dtype=torch.float64)
    return {name: float(torch.quantile(values, q)) for name, q in points.items()}


def side_report(sentences: list[list[int]]) -> dict[str, object]:
    """Return token count, length quantiles and the share of unknown tokens of one side of a split."""
    total = sum(map(len, sentences))
    unknown = sum(ids.count(UNK) for ids in sentences)
    return {
        "tokens": total,
        "length": quantiles([len(ids) for ids in sentences]),
        "unknown_rate": unknown / total if total else 0.0,
    }


def overlap(train: list[Pair], other: list[Pair]) -> dict[str, int]:
    """Count the pairs, and the sources, of a split that are in the training split too."""
    pairs, sources = set(train), {pair.source for pair in train}
    return {
        "pairs_in_train": sum(pair in pairs for pair in other),
        "sources_in_train": sum(pair.source in sources for pair in other),
    }
