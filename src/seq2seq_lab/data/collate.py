"""Encoded pairs in memory, and their collation to padded batches."""

from collections.abc import Sequence
from itertools import chain
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seq2seq_lab.batch import Batch, mask_from_lengths
from seq2seq_lab.data.spill import Spill
from seq2seq_lab.special_tokens import BOS, EOS, PAD, UNK

Numbers = npt.NDArray[np.int32]


def pad_source(sentences: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Return the ids (batch, source), each row closed by EOS, and the lengths that count it."""
    rows = [torch.tensor([*ids, EOS]) for ids in sentences]
    lengths = torch.tensor([len(row) for row in rows])
    return pad_sequence(rows, batch_first=True, padding_value=PAD), lengths


def no_pairs() -> Batch:
    """Return the batch of no pairs."""
    ids, numbers = torch.zeros(0, 1, dtype=torch.long), torch.zeros(0, dtype=torch.long)
    mask = torch.zeros(0, 1, dtype=torch.bool)
    return Batch(ids, numbers, mask, ids, ids, mask, numbers)


class Sentences:
    """The ids of many sentences in one row, so that a padded batch is a single gather; 32 bits each, as are lengths."""

    def __init__(self, ids: Numbers, lengths: Numbers):
        self.ids, self.lengths = torch.from_numpy(ids), torch.from_numpy(lengths)
        self.starts = self.lengths.cumsum(0) - self.lengths

    def padded(
        self, indices: Int[Tensor, " batch"]
    ) -> tuple[Int[Tensor, "batch width"], Int[Tensor, " batch"]]:
        """Return the ids of these sentences, padded to the longest of them, and their lengths."""
        lengths = self.lengths[indices].long()
        width = int(lengths.max())
        places = self.starts[indices].unsqueeze(1) + torch.arange(width)
        padding = ~mask_from_lengths(lengths, width)
        return self.ids[places.masked_fill_(padding, 0)].long().masked_fill_(padding, PAD), lengths


class GrowingSentences:
    """Encoded sentences as they come, block by block, with `before` and `after` around each."""

    def __init__(self, before: tuple[int, ...] = (), after: tuple[int, ...] = ()):
        self.before, self.after = before, after
        self._ids, self._lengths = Spill(), Spill()
        self.unknown = 0

    def extend(self, sentences: Sequence[Sequence[int]]) -> None:
        """Append sentences, and count their unknown tokens."""
        rows = [(*self.before, *ids, *self.after) for ids in sentences]
        ids = np.fromiter(chain.from_iterable(rows), np.int32)
        self.unknown += int((ids == UNK).sum())
        self._ids.write(ids.tobytes())
        self._lengths.write(np.fromiter(map(len, rows), np.int32).tobytes())

    def arrays(self) -> tuple[Numbers, Numbers]:
        """Return all ids in one row, and the length of each sentence."""
        return self._ids.array(np.int32), self._lengths.array(np.int32)


def growing_sides() -> tuple[GrowingSentences, GrowingSentences]:
    """Return the writers of both sides: a source is closed by EOS, a target stands between BOS and EOS."""
    return GrowingSentences(after=(EOS,)), GrowingSentences((BOS,), (EOS,))


class EncodedPairs(torch.utils.data.Dataset):
    """The ids of a split. Indexing by a tensor of indices gives the padded `Batch` of these pairs."""

    def __init__(self, sources: list[list[int]], targets: list[list[int]]):
        sides = growing_sides()
        for side, sentences in zip(sides, (sources, targets), strict=True):
            side.extend(sentences)
        self._set(*(Sentences(*side.arrays()) for side in sides))

    @classmethod
    def of(cls, sources: Sentences, targets: Sentences) -> Self:
        """Return the pairs of sentences that are encoded already, as by `growing_sides`."""
        made = cls.__new__(cls)
        made._set(sources, targets)
        return made

    def _set(self, sources: Sentences, targets: Sentences) -> None:
        self.sources, self.targets = sources, targets
        self.source_lengths = self.sources.lengths
        self.target_lengths = self.targets.lengths - 1

    def __len__(self) -> int:
        return len(self.source_lengths)

    def __getitem__(self, indices: Int[Tensor, " batch"]) -> Batch:
        if not len(indices):
            return no_pairs()
        source, source_lengths = self.sources.padded(indices)
        target, _ = self.targets.padded(indices)
        target_mask = mask_from_lengths(self.target_lengths[indices], target.shape[1] - 1)
        return Batch(
            source=source,
            source_lengths=source_lengths,
            source_mask=mask_from_lengths(source_lengths, source.shape[1]),
            target_input=target[:, :-1].masked_fill(~target_mask, PAD),
            target_output=target[:, 1:],
            target_mask=target_mask,
            ids=indices,
        )
