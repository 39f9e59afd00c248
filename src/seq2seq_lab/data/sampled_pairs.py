"""Training pairs whose segmentation is drawn anew in every epoch, as BPE-dropout wants it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from seq2seq_lab.batch import Batch
from seq2seq_lab.data.batching import BatchOrder
from seq2seq_lab.data.collate import EncodedPairs, no_pairs
from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.length_filter import LengthFilter
from seq2seq_lab.data.tokenizer.vocabulary import Tokenizer


class Draw(NamedTuple):
    """The pairs of a batch, and the epoch in which they are read."""

    indices: Int[Tensor, " batch"]
    epoch: int


class DrawOrder(BatchOrder):
    """A batch order whose batches know their epoch."""

    def __iter__(self) -> Iterator[Draw]:
        return (Draw(indices, self.epoch) for indices in super().__iter__())


class SampledPairs(torch.utils.data.Dataset):
    """The pairs of a split. A `Draw` gives the padded batch of these pairs, segmented for this epoch.

    A segmentation follows from seed, epoch, line and side alone: not from batches, workers or ranks. One that is longer
    than the limit is not used: that text keeps its usual pieces. Batches are made by the usual lengths.
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

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, draw: Draw) -> Batch:
        if not len(draw.indices):
            return no_pairs()
        sides: tuple[list[list[int]], list[list[int]]] = [], []
        for line in draw.indices.tolist():
            pair = self.pairs[line]
            for side, text in enumerate((pair.source, pair.target)):
                sides[side].append(self._ids(text, side, [self.seed, draw.epoch, line, side]))
        rows = EncodedPairs(*sides)
        return replace(rows[torch.arange(len(rows))], ids=draw.indices)

    def _ids(self, text: str, side: int, seeds: list[int]) -> list[int]:
        tokenizer = self.tokenizers[side]
        ids = tokenizer.sample(text, np.random.default_rng(seeds))
        return ids if 0 < len(ids) <= self.longest[side] else tokenizer.encode(text)
