"""The recurrent encoder: one state per source position and the final states of each layer."""

from collections.abc import Callable
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from seq2seq_lab.batch import mask_from_lengths
from seq2seq_lab.model.cell import Cell, LstmCell, State
from seq2seq_lab.model.checks import check_positive, check_probability
from seq2seq_lab.model.embedding import TokenEmbedding
from seq2seq_lab.model.kernel import padded_lstm
from seq2seq_lab.model.kernel.dropout import Dropout
from seq2seq_lab.model.stack import Stack, StackedCells
from seq2seq_lab.model.state import Memory


def reverse_by_length(
    tokens: Int[Tensor, "batch source"], lengths: Int[Tensor, " batch"]
) -> Int[Tensor, "batch source"]:
    """Return the positions that reverse the real tokens of each row; padding stays in place."""
    position = torch.arange(tokens.shape[1], device=tokens.device).unsqueeze(0)
    lengths = lengths.to(tokens.device, non_blocking=True).unsqueeze(1)
    return torch.where(position < lengths, lengths - 1 - position, position)


def pack(
    embedded: Float[Tensor, "batch source dim"], lengths: Int[Tensor, " batch"]
) -> PackedSequence:
    """Return what `pack_padded_sequence` returns of rows in any order; the CPU does not wait for a GPU."""
    lengths, order = lengths.sort(descending=True)
    order = order.to(embedded.device, non_blocking=True)
    packed = pack_padded_sequence(embedded.index_select(0, order), lengths, batch_first=True)
    return PackedSequence(packed.data, packed.batch_sizes, order)


def unpack(packed: PackedSequence, width: int) -> Float[Tensor, "batch source dim"]:
    """Return the padded tensor of what `pack` packed; torch's own function waits for a GPU to order the lengths."""
    in_order = PackedSequence(packed.data, packed.batch_sizes)
    padded, _ = pad_packed_sequence(in_order, batch_first=True, total_length=width)
    assert packed.unsorted_indices is not None
    return padded.index_select(0, packed.unsorted_indices)


class RecurrentEncoder(nn.Module):
    """An RNN, GRU or LSTM over the source, unidirectional or bidirectional.

    `dim` is the width of the output: a bidirectional encoder gives each direction half of it. Sentences are packed
    (`padded_lstm` does the same for an LSTM on a CPU), so the backward direction starts at the last real token and
    the final states are those of the real tokens. With `reverse_source` the encoder reads right to left (Sutskever et
    al. 2014); the states keep the source order. `stack` gives the operations between the layers; without any, all
    layers are one fused call. `output_dropout` drops numbers of the states that the decoder attends to (Caglayan et
    al. 2017); the final states stay whole.
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        cell: Callable[..., Cell],
        dim: int,
        num_layers: int = 1,
        dropout: float = 0.0,
        stack: Callable[..., Stack] = Stack,
        *,
        bidirectional: bool = False,
        reverse_source: bool = False,
        output_dropout: float = 0.0,
    ):
        super().__init__()
        check_positive(dim=dim, num_layers=num_layers)
        if bidirectional and dim % 2:
            raise ValueError(f"dim={dim}: a bidirectional encoder needs an even number")
        if bidirectional and reverse_source:
            raise ValueError(
                "reverse_source=true: a bidirectional encoder reads both ways already; turn one of them off"
            )
        self.dim, self.num_layers, self.reverse_source = dim, num_layers, reverse_source
        self.directions = 2 if bidirectional else 1
        self.embedding = embedding
        self.rnn = self._layers(cell, stack(dim, num_layers), dropout)
        self.output_dropout = Dropout(check_probability("output_dropout", output_dropout))

    def _layers(
        self, cell: Callable[..., Cell], stack: Stack, dropout: float
    ) -> Cell | StackedCells:
        both = self.directions == 2
        if not stack.is_plain:
            return StackedCells(cell, self.embedding.dim, stack, dropout, bidirectional=both)
        width, layers = self.dim // self.directions, self.num_layers
        return cell(
            self.embedding.dim, width, num_layers=layers, dropout=dropout, bidirectional=both
        )

    def forward(
        self, source: Int[Tensor, "batch source"], lengths: Int[Tensor, " batch"]
    ) -> Memory:
        """Encode the padded ids; `lengths` (on the CPU) count the real tokens of each row, at least 1."""
        tokens, order = source, reverse_by_length(source, lengths) if self.reverse_source else None
        if order is not None:
            source = source.gather(1, order)
        states, final = self._read(self.embedding(source), lengths.cpu())
        if order is not None:
            states = states.gather(1, order.unsqueeze(-1).expand_as(states))
        on_device = lengths.to(source.device, non_blocking=True)
        mask = mask_from_lengths(on_device, source.shape[1])
        hidden, cell_state = (self._join_directions(part) for part in final)
        return Memory(self.output_dropout(states), mask, hidden, cell_state, tokens=tokens)

    def _read(self, embedded: Tensor, lengths: Tensor) -> tuple[Tensor, State]:
        """Run over the sentences without their padding: (outputs, 0 on padding; final states)."""
        if padded_lstm.suits(self.rnn, embedded.shape[1], lengths):
            return padded_lstm.run(cast(LstmCell, self.rnn), embedded, lengths)
        outputs, final = self.rnn.sequence(pack(embedded, lengths))
        return unpack(outputs, embedded.shape[1]), final

    def _join_directions(self, state: Tensor) -> Tensor:
        """(batch, layers x directions, width) -> (batch, layers, directions x width)."""
        return state.unflatten(1, (self.num_layers, self.directions)).flatten(2)
