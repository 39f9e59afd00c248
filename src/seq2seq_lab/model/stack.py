"""Layers of a recurrent stack: residual sums, layer normalisation and locked dropout between them.

With none of these, torch's fused call runs all layers of the encoder at once; with any of them, layer by layer.
"""

from collections.abc import Callable, Iterable
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from seq2seq_lab.model.cell import Cell, State
from seq2seq_lab.model.checks import check_positive, check_probability
from seq2seq_lab.model.kernel.dropout import dropout


class Stack(nn.Module):
    """Transforms the output of each layer before the layer above reads it.

    In this order: with `residual` the layer's input is added from the second layer on (the first has another width);
    with `layer_norm` the sum is normalised (Ba et al. 2016), the top layer's too; `locked_dropout` then drops the
    same units at every step of a sentence (Gal and Ghahramani 2016). A cell's own recurrence stays as it is.
    """

    def __init__(
        self,
        dim: int,
        num_layers: int = 1,
        *,
        residual: bool = False,
        layer_norm: bool = False,
        locked_dropout: float = 0.0,
    ):
        super().__init__()
        check_positive(dim=dim, num_layers=num_layers)
        if residual and num_layers == 1:
            raise ValueError(
                "residual=true: a single layer has none below to add; "
                "use num_layers=2 or more, or residual=false"
            )
        self.dim, self.num_layers, self.residual = dim, num_layers, residual
        self.locked_dropout = check_probability("locked_dropout", locked_dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(num_layers * layer_norm))
        self.is_plain = not (residual or layer_norm or locked_dropout)

    def draw_dropout_mask(
        self, like: Float[Tensor, "batch ..."]
    ) -> Float[Tensor, "batch layers units"]:
        """Return the factor of each unit, 0 or 1 / (1 - p), one draw per sentence; width 0 without locked dropout."""
        width = self.dim if self.training and self.locked_dropout else 0
        mask = like.new_empty(like.shape[0], self.num_layers, width)
        return mask.bernoulli_(1 - self.locked_dropout).div_(1 - self.locked_dropout)

    def forward(
        self,
        layer: int,
        output: Float[Tensor, "*shape dim"],
        below: Float[Tensor, "*shape below"],
        dropout_mask: Float[Tensor, "*rows units"],
    ) -> Float[Tensor, "*shape dim"]:
        """Return the input of the layer above; `dropout_mask` is this layer's part of the mask, row by row."""
        if self.residual and layer:
            output = below + output
        if self.norms:
            output = self.norms[layer](output)
        return output * dropout_mask if dropout_mask.shape[-1] else output


def sentence_of_each_word(packed: PackedSequence) -> Int[Tensor, " words"]:
    """Return the row in the batch of each packed word."""
    order = packed.sorted_indices
    assert order is not None  # packed with enforce_sorted=False
    return torch.cat([order[:alive] for alive in packed.batch_sizes.tolist()])


class StackedCells(nn.Module):
    """A stack of one-layer cells over packed sentences; called like one cell with several layers.

    The halves of a bidirectional layer are joined before the sum and the norm. The final state h of a layer passes
    the same sum, norm and dropout as its outputs, so it is the last input of the layer above; c stays the cell's own.
    """

    def __init__(
        self,
        cell: Callable[..., Cell],
        input_dim: int,
        stack: Stack,
        dropout: float = 0.0,
        *,
        bidirectional: bool = False,
    ):
        super().__init__()
        self.dropout = check_probability("dropout", dropout)
        self.stack = stack
        width = stack.dim // 2 if bidirectional else stack.dim
        inputs = [input_dim] + [stack.dim] * (stack.num_layers - 1)
        self.cells = nn.ModuleList(cell(i, width, bidirectional=bidirectional) for i in inputs)

    def sequence(self, inputs: PackedSequence) -> tuple[PackedSequence, State]:
        """Run over all time steps. States are (batch, layers x directions, width), batch first."""
        _, batch_sizes, order, inverse = inputs
        sentences = sentence_of_each_word(inputs)
        below, end = inputs.data, inputs.data[: int(batch_sizes[0])]
        mask = self.stack.draw_dropout_mask(end)
        ends: list[State] = []
        for layer, cell in enumerate(cast(Iterable[Cell], self.cells)):
            read = dropout(below, self.dropout, training=self.training) if layer else below
            packed = PackedSequence(read, batch_sizes, order, inverse)
            outputs, (hidden, cell_state) = cell.sequence(packed)
            below = self.stack(layer, outputs.data, below, mask[sentences, layer])
            end = self.stack(layer, hidden.flatten(1), end, mask[:, layer])
            ends.append((end.view_as(hidden), cell_state))
        hidden, cell_state = (torch.cat(parts, dim=1) for parts in zip(*ends, strict=True))
        return PackedSequence(below, batch_sizes, order, inverse), (hidden, cell_state)
