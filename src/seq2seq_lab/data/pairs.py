"""Pairs of text by number, as many as there are: UTF-8 in one run of bytes a side, on disk once it is large."""

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, TypeVar, overload

import numpy as np
import numpy.typing as npt

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.spill import Spill

BLOCK = 4096
"""Pairs that are worked on at a time: enough that an array costs little per pair, few enough to be no memory."""
Block = tuple[list[str], list[str]]
Rows = npt.NDArray[np.integer[Any]]
_Item = TypeVar("_Item")


class Texts(Collection[str]):
    """Texts without line ends, by number."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._bytes, self._ends = Spill(), Spill()
        self._ends.write(bytes(8))
        self._arrays: tuple[npt.NDArray[np.uint8], Rows] | None = None
        for block in _cut(texts):
            self.extend(block)

    def extend(self, texts: Sequence[str]) -> None:
        """Append texts; `ValueError` for one with a line end inside."""
        data = "".join(f"{text}\n" for text in texts).encode("utf-8", "surrogatepass")
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1 + self._bytes.size
        if len(ends) != len(texts):
            raise ValueError("a sentence holds a line end; write it in one line")
        self._bytes.write(data)
        self._ends.write(ends.astype(np.int64).tobytes())
        self._arrays = None

    def __len__(self) -> int:
        return self._ends.size // 8 - 1

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), BLOCK):
            yield from self.between(start, min(start + BLOCK, len(self)))

    def __contains__(self, text: object) -> bool:
        return any(text == one for one in self)

    def between(self, first: int, last: int) -> list[str]:
        """Return the texts first, first + 1 ... last - 1."""
        if self._arrays is None:
            self._arrays = self._bytes.array(np.uint8), self._ends.array(np.int64)
        data, ends = self._arrays
        text = bytes(data[ends[first] : ends[last]]).decode("utf-8", "surrogatepass")
        return text.split("\n")[:-1]


class Pairs(Sequence[Pair]):
    """The pairs of two `Texts`, or those of some `rows` of them."""

    def __init__(self, sources: Texts, targets: Texts, rows: Rows | None = None):
        if len(sources) != len(targets):
            raise ValueError(f"{len(sources)} sources, but {len(targets)} targets")
        self._sources, self._targets, self._rows = sources, targets, rows

    def __len__(self) -> int:
        return len(self._sources) if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Pair: ...
    @overload
    def __getitem__(self, index: slice) -> "Pairs": ...
    def __getitem__(self, index: int | slice) -> "Pair | Pairs":
        if isinstance(index, slice):
            return self.select(np.arange(len(self))[index])
        row = range(len(self))[index]
        row = row if self._rows is None else int(self._rows[row])
        sides = (self._sources, self._targets)
        source, target = (side.between(row, row + 1)[0] for side in sides)
        return Pair(source, target)

    def __iter__(self) -> Iterator[Pair]:
        for block in self.blocks():
            yield from map(Pair, *block)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(self) != len(other):
            return False
        return all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def select(self, rows: Rows) -> "Pairs":
        """Return these pairs, in this order."""
        return Pairs(self._sources, self._targets, rows if self._rows is None else self._rows[rows])

    def blocks(self) -> Iterator[Block]:
        """Yield all pairs in order as lists of sources and targets."""
        for start in range(0, len(self), BLOCK):
            end = min(start + BLOCK, len(self))
            if self._rows is None:
                yield self._sources.between(start, end), self._targets.between(start, end)
                continue
            rows = self._rows[start:end]
            low, high = int(rows.min()), int(rows.max()) + 1
            if high - low <= 2 * len(rows):  # close together: one piece of the text
                wanted = (rows - low).tolist()
                whole = self._sources.between(low, high), self._targets.between(low, high)
                yield [whole[0][i] for i in wanted], [whole[1][i] for i in wanted]
            else:
                some = [(int(i), int(i) + 1) for i in rows]
                yield (
                    [self._sources.between(*i)[0] for i in some],
                    [self._targets.between(*i)[0] for i in some],
                )


def collect(pairs: Iterable[tuple[str, str]]) -> Pairs:
    """Return pairs that come one by one."""
    sources, targets = Texts(), Texts()
    for block in _cut(pairs):
        sources.extend([source for source, _ in block])
        targets.extend([target for _, target in block])
    return Pairs(sources, targets)


def blocks(pairs: Sequence[Pair]) -> Iterator[Block]:
    """Yield the pairs of any sequence in blocks, as lists of sources and targets."""
    if isinstance(pairs, Pairs):
        yield from pairs.blocks()
        return
    for some in _cut(pairs):
        yield [pair.source for pair in some], [pair.target for pair in some]


def sources_of(pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield the source of each pair."""
    return itertools.chain.from_iterable(sources for sources, _ in blocks(pairs))


def targets_of(pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield the target of each pair."""
    return itertools.chain.from_iterable(targets for _, targets in blocks(pairs))


def select(pairs: Sequence[Pair], rows: Rows) -> Sequence[Pair]:
    """Return these pairs, in this order."""
    if isinstance(pairs, Pairs):
        is_all = len(rows) == len(pairs) and np.array_equal(rows, np.arange(len(rows)))
        return pairs if is_all else pairs.select(rows)
    return [pairs[i] for i in rows.tolist()]


def _cut(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    left = iter(items)
    while block := list(itertools.islice(left, BLOCK)):
        yield block
