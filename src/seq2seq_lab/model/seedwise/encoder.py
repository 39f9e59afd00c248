"""The recurrent encoder of several seeds, with the draws between its layers that the single encoder makes."""

from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

from seq2seq_lab.batch import mask_from_lengths
from seq2seq_lab.model.cell import State
from seq2seq_lab.model.kernel.linear import prefers_onednn
from seq2seq_lab.model.kernel.padded_lstm import FULL
from seq2seq_lab.model.layer_norm_cell import LayerNormCell
from seq2seq_lab.model.recurrent_encoder import RecurrentEncoder
from seq2seq_lab.model.seedwise.cell import SeedwiseCell, SeedwiseLstmCell
from seq2seq_lab.model.seedwise.draws import Draws
from seq2seq_lab.model.stack import Stack, StackedCells


class SeedwiseStack(Stack):
    """`Stack` whose masks each seed draws itself."""

    draws: Draws

    def draw_dropout_mask(
        self, like: Float[Tensor, "batch ..."]
    ) -> Float[Tensor, "batch layers units"]:
        """Return the factor of each unit, one draw per sentence; width 0 without locked dropout."""
        width = self.dim if self.training and self.locked_dropout else 0
        made = self.draws.rows(self.num_layers * width, 1 - self.locked_dropout, like)
        return made.unflatten(1, (self.num_layers, width))


class SeedwiseEncoder(RecurrentEncoder):
    """`RecurrentEncoder` over padded rows of all seeds."""

    draws: Draws

    def _read(self, embedded: Tensor, lengths: Tensor) -> tuple[Tensor, State]:
        padding = ~mask_from_lengths(lengths.to(embedded.device), embedded.shape[1])
        if isinstance(self.rnn, StackedCells):
            return self._stacked(self.rnn, embedded, padding, lengths)
        cell: Any = self.rnn
        below, final = embedded, []
        for layer in range(self.num_layers):
            if layer and cell.dropout and self.training:
                below = self._between(below, lengths, cell)
            below, state = cell.padded(below, layer, padding)
            final.append(state)
        return below, _joined(final)

    def _stacked(
        self, rnn: StackedCells, embedded: Tensor, padding: Tensor, lengths: Tensor
    ) -> tuple[Tensor, State]:
        below, end = embedded, embedded[:, 0]
        mask = rnn.stack.draw_dropout_mask(embedded)
        final = []
        for layer, cell in enumerate(cast(list[SeedwiseCell], list(rnn.cells))):
            read = below
            if layer and rnn.dropout and self.training:
                read = self._between(below, lengths, rnn)
            outputs, (hidden, cell_state) = cell.padded(read, 0, padding)
            below = rnn.stack(layer, outputs, below, mask[:, layer].unsqueeze(1))
            end = rnn.stack(layer, hidden.flatten(1), end, mask[:, layer])
            final.append((end.view_as(hidden), cell_state))
        return below.masked_fill(padding.unsqueeze(-1), 0.0), _joined(final)

    def _between(self, below: Tensor, lengths: Tensor, rnn: StackedCells | SeedwiseCell) -> Tensor:
        """Return dropout between two layers, drawn as the encoder of one seed draws it for its own sentences."""
        order: list[Tensor | None] = []
        each = lengths.view(self.draws.seeds, -1)
        for one, (rows, steps) in zip(each, self.draws.shapes, strict=True):
            if isinstance(rnn, SeedwiseCell) and _pads(rnn, one[:rows], steps):
                order.append(None)
                continue
            places = torch.arange(rows).unsqueeze(1) * below.shape[1] + torch.arange(steps)
            packed = pack_padded_sequence(
                places, one[:rows], batch_first=True, enforce_sorted=False
            )
            order.append(packed.data)
        by_torch = isinstance(rnn, SeedwiseCell) and not isinstance(rnn, LayerNormCell)
        return self.draws.between(below, order, rnn.dropout, by_torch=by_torch)


def _pads(cell: SeedwiseCell, lengths: Int[Tensor, " rows"], steps: int) -> bool:
    """`padded_lstm.suits` for the model of one seed."""
    return (
        isinstance(cell, SeedwiseLstmCell)
        and prefers_onednn(cell.weight_hh_l0[0])
        and int(lengths.sum()) >= FULL * len(lengths) * steps
    )


def _joined(layers: list[State]) -> State:
    hidden, cell_states = zip(*layers, strict=True)
    return torch.cat(hidden, dim=1), torch.cat(cell_states, dim=1)
