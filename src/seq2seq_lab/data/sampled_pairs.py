"""Training pairs whose segmentation is drawn anew in every epoch, as BPE-dropout wants it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Int
from torch import Tensor

from seq2seq_lab.batch import Batch
from seq2seq_lab.data.batching import BatchOrder, by_length
from seq2seq_lab.data.collate import EncodedPairs
from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.length_filter import LengthFilter
from seq2seq_lab.data.tokenizer.vocabulary import Tokenizer

WINDOW = 64
"""So many batches are drawn and sorted at once."""


class Window(NamedTuple):
    """The pairs of some batches in a row, in numpy arrays, which a worker gets without shared memory."""

    epoch: int
    start: int
    """The place of its first batch in the epoch."""
    lines: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    """The sizes of the batches, the largest first."""


class DrawOrder(BatchOrder):
    """A batch order that gives a window and the place of a batch in it."""

    def __iter__(self) -> Iterator[tuple[Window, int]]:
        batches, (first, done) = self._batches(), self.start_at
        done = done if self.epoch == first else 0
        for start in range(done - done % WINDOW, len(batches), WINDOW):
            several = batches[start : start + WINDOW]
            sizes = np.array(sorted(map(len, several), reverse=True))
            window = Window(self.epoch, start, torch.cat(several).numpy(), sizes)
            yield from ((window, i) for i in range(max(0, done - start), len(several)))


class SampledPairs(torch.utils.data.Dataset):
    """The pairs of a split. A window and a place give a padded batch of pairs that are segmented for this epoch.

    A segmentation follows from seed, epoch, line and side alone: not from batches, workers or ranks. One that is longer
    than the limit is not used: that text keeps its usual pieces. How many batches there are, and their sizes, follows
    from the usual lengths; who stands together in them follows from the drawn ones, as far as one window goes.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        tokenizers: tuple[Tokenizer, Tokenizer],
        limit: LengthFilter,
        seed: int,
    ):
        self.pairs, self.tokenizers, self.seed = pairs, tokenizers, seed
        self.longest = limit.max_source_tokens, limit.max_target_tokens
        self._drawn: tuple[tuple[int, int], EncodedPairs, list[Tensor]] | None = None

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, place: tuple[Window, int]) -> Batch:
        window, number = place
        key = window.epoch, window.start
        if self._drawn is None or self._drawn[0] != key:
            rows = self.draw(window.epoch, window.lines)
            self._drawn = key, rows, self._batches(window, rows)
        _, rows, batches = self._drawn
        chosen = batches[number]
        return replace(rows[chosen], ids=torch.from_numpy(window.lines)[chosen])

    def _batches(self, window: Window, rows: EncodedPairs) -> list[Int[Tensor, " batch"]]:
        """Return the rows of each batch: similar drawn lengths together, the longest in the smallest; shuffled."""
        order = by_length(rows.source_lengths, rows.target_lengths)
        batches = order.split(window.sizes.tolist())
        dice = np.random.default_rng([self.seed, window.epoch, window.start])
        return [batches[i] for i in dice.permutation(len(batches))]

    def draw(self, epoch: int, lines: npt.NDArray[np.int64]) -> EncodedPairs:
        """Return these pairs as they are segmented in an epoch."""
        sides: tuple[list[list[int]], list[list[int]]] = [], []
        for line in lines.tolist():
            pair = self.pairs[line]
            for side, text in enumerate((pair.source, pair.target)):
                sides[side].append(self._ids(text, side, [self.seed, epoch, line, side]))
        return EncodedPairs(*sides)

    def _ids(self, text: str, side: int, seeds: list[int]) -> list[int]:
        tokenizer = self.tokenizers[side]
        ids = tokenizer.sample(text, np.random.default_rng(seeds))
        return ids if 0 < len(ids) <= self.longest[side] else tokenizer.encode(text)
