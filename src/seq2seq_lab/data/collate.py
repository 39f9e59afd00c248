"""Encoded pairs in memory, and the padded batch of any of them."""

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


class EncodedPairs(torch.utils.data.Dataset):
    """The ids of a split. Indexing by a tensor of indices gives the padded `Batch` of these pairs."""

    def __init__(self, sources: list[list[int]], targets: list[list[int]]):
        self.sources = [torch.tensor([*ids, EOS]) for ids in sources]
        self.targets = [torch.tensor([BOS, *ids, EOS]) for ids in targets]
        self.source_lengths = torch.tensor([len(ids) for ids in self.sources], dtype=torch.long)
        self.target_lengths = torch.tensor([len(ids) - 1 for ids in self.targets], dtype=torch.long)

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, indices: Int[Tensor, " batch"]) -> Batch:
        chosen = indices.tolist()
        if not chosen:
            return no_pairs()
        source = pad_sequence(
            [self.sources[i] for i in chosen], batch_first=True, padding_value=PAD
        )
        target = pad_sequence(
            [self.targets[i] for i in chosen], batch_first=True, padding_value=PAD
        )
        lengths = self.source_lengths[indices]
        target_mask = mask_from_lengths(self.target_lengths[indices], target.shape[1] - 1)
        return Batch(
            source=source,
            source_lengths=lengths,
            source_mask=mask_from_lengths(lengths, source.shape[1]),
            target_input=target[:, :-1].masked_fill(~target_mask, PAD),
            target_output=target[:, 1:],
            target_mask=target_mask,
            ids=indices,
        )
