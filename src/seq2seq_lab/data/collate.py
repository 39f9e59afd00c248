"""Encoded pairs in memory, and their collation to padded batches."""

from itertools import chain

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seq2seq_lab.batch import Batch, mask_from_lengths
from seq2seq_lab.special_tokens import BOS, EOS, PAD


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
    """The ids of many sentences in one row, so that a padded batch is a single gather."""

    def __init__(self, sentences: list[list[int]]):
        self.lengths = torch.tensor([len(ids) for ids in sentences], dtype=torch.long)
        self.ids = torch.tensor(list(chain.from_iterable(sentences)), dtype=torch.long)
        self.starts = self.lengths.cumsum(0) - self.lengths

    def padded(
        self, indices: Int[Tensor, " batch"]
    ) -> tuple[Int[Tensor, "batch width"], Int[Tensor, " batch"]]:
        """Return the ids of these sentences, padded to the longest of them, and their lengths."""
        lengths = self.lengths[indices]
        width = int(lengths.max())
        places = self.starts[indices].unsqueeze(1) + torch.arange(width)
        padding = ~mask_from_lengths(lengths, width)
        return self.ids[places.masked_fill_(padding, 0)].masked_fill_(padding, PAD), lengths


class EncodedPairs(torch.utils.data.Dataset):
    """The ids of a split. Indexing by a tensor of indices gives the padded `Batch` of these pairs."""

    def __init__(self, sources: list[list[int]], targets: list[list[int]]):
        self.sources = Sentences([[*ids, EOS] for ids in sources])
        self.targets = Sentences([[BOS, *ids, EOS] for ids in targets])
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
