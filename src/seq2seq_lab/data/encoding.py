"""The ids of a split, made block by block, and kept for later runs where a cache folder is named."""

import hashlib
import json
import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from seq2seq_lab.data.collate import EncodedPairs, Numbers, Sentences, growing_sides
from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.length_filter import LengthFilter
from seq2seq_lab.data.pairs import blocks
from seq2seq_lab.data.report import fingerprint
from seq2seq_lab.data.tokenizer.vocabulary import Tokenizer
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.files import held, sha256_of, sidecar_of, write_atomically, write_sidecar

Sides = tuple[Tokenizer, Tokenizer]
_LIBRARIES = ("tokenizers", "sentencepiece", "spacy", "jieba")
_ARRAYS = 5


@dataclass(frozen=True)
class Encoded:
    """A split as ids. `rows` are the pairs that the length filter kept, `dropped` counts what it did."""

    sources: tuple[Numbers, Numbers]
    targets: tuple[Numbers, Numbers]
    rows: Numbers
    unknown: tuple[int, int]
    dropped: dict[str, int]

    def pairs(self) -> EncodedPairs:
        """Return what batches are made from."""
        return EncodedPairs.of(Sentences(*self.sources), Sentences(*self.targets))

    def lengths(self) -> tuple[Numbers, Numbers]:
        """Return the tokens of each sentence, those of the text alone."""
        return self.sources[1] - 1, self.targets[1] - 2


def encode(
    pairs: Sequence[Pair], tokenizers: Sides, limit: LengthFilter, *, training: bool
) -> Encoded:
    """Encode pairs: over-long and empty ones are left out of training, and cut elsewhere."""
    sides, dropped = growing_sides(), Counter[str]()
    kept, start = [np.zeros(0, np.int32)], 0
    for texts in blocks(pairs):
        ids = [tokenizers[0].encode_batch(texts[0]), tokenizers[1].encode_batch(texts[1], texts[0])]
        rows = list(range(len(ids[0])))
        if training:
            reasons = [limit.reason_to_drop(s, t) for s, t in zip(*ids, strict=True)]
            dropped.update(reason for reason in reasons if reason)
            rows = [i for i in rows if reasons[i] is None]
            ids = [[side[i] for i in rows] for side in ids]
        else:
            cut = [limit.cut_source(s) for s in ids[0]], [limit.cut_target(t) for t in ids[1]]
            short = sum(a != b for a, b in zip(cut[0], ids[0], strict=True))
            dropped.update({"source cut, kept": short} if short else {})
            ids = list(cut)
        dropped.update(tokenizers[0].remarks(ids[0]))
        for side, sentences in zip(sides, ids, strict=True):
            side.extend(sentences)
        kept.append(np.array(rows, np.int32) + np.int32(start))
        start += len(texts[0])
    unknown = sides[0].unknown, sides[1].unknown
    sources, targets = (side.arrays() for side in sides)
    return Encoded(sources, targets, np.concatenate(kept), unknown, dict(dropped))


def encode_once(
    folder: Path, pairs: Sequence[Pair], tokenizers: Sides, limit: LengthFilter, *, training: bool
) -> Encoded:
    """Return what `encode` returns, mapped from a file of the cache folder: the first process that needs it writes it.

    The file is named after the text, both vocabularies, the limits and the code, and read only while it has the
    SHA-256 that was written beside it. Other processes wait for one that writes. Tokenizers and filters from outside
    this package are encoded anew each time. Raises `ResourceError` where the disk is full.
    """
    if type(limit) is not LengthFilter or not all(map(_is_ours, tokenizers)):
        return encode(pairs, tokenizers, limit, training=training)
    facts = [one.fingerprint() for one in tokenizers], asdict(limit), training, _code()
    text = json.dumps([fingerprint(pairs), *facts])
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:40]}.ids"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with held(path.with_suffix(".lock"), -1.0):
            found = _read(path)
            if found is None:
                _write(path, encode(pairs, tokenizers, limit, training=training))
                found = _read(path)
    except OSError as error:
        raise ConfigError(
            f"data.cache_dir={folder}: cannot be used: {error.strerror or error}; name another folder, or null"
        ) from error
    return encode(pairs, tokenizers, limit, training=training) if found is None else found


def _is_ours(tokenizer: Tokenizer) -> bool:
    return type(tokenizer).__module__.startswith("seq2seq_lab.")


def _write(path: Path, encoded: Encoded) -> None:
    arrays = [*encoded.sources, *encoded.targets, encoded.rows]

    def fill(place: Path) -> None:
        with place.open("wb") as file:
            for array in arrays:
                array.tofile(file)

    sidecar_of(path).unlink(missing_ok=True)
    write_atomically(path, fill, size=sum(array.nbytes for array in arrays))
    sizes = [len(array) for array in arrays]
    write_sidecar(path, sizes=sizes, unknown=encoded.unknown, dropped=encoded.dropped)


def _read(path: Path) -> Encoded | None:
    """Return the arrays of a file; None unless it and what stands beside it are as they were written."""
    try:
        facts: dict[str, Any] = json.loads(sidecar_of(path).read_text(encoding="utf-8"))
        if sha256_of(path) != facts["sha256"]:
            return None
        sizes, unknown = [int(size) for size in facts["sizes"]], facts["unknown"]
        dropped = {str(reason): int(count) for reason, count in facts["dropped"].items()}
        if len(sizes) != _ARRAYS or 4 * math.fsum(sizes) != path.stat().st_size:
            return None
        numbers = np.memmap(path, np.int32, mode="c")
        parts = np.split(numbers, np.cumsum(sizes)[:-1])
        known = int(unknown[0]), int(unknown[1])
        return Encoded((parts[0], parts[1]), (parts[2], parts[3]), parts[4], known, dropped)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None


@cache
def _code() -> dict[str, str]:
    """Return what else decides the ids: the code of this package, and versions."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    versions = {"data": digest.hexdigest(), "unicode": unicodedata.unidata_version}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
