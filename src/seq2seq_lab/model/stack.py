"""What happens between the layers of a recurrent stack: residual sums, normalisation, locked dropout.

With none of them, torch's fused call runs all layers of the encoder at once; with any of them, layer by layer.
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
    """Turns each layer's raw output into what the layer above reads.

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

    def draw(self, like: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch layers kept"]:
        """Return the factor of each unit, 0 or 1 / (1 - p), one draw per sentence; width 0 where nothing drops."""
        width = self.dim if self.training and self.locked_dropout else 0
        kept = like.new_empty(like.shape[0], self.num_layers, width)
        return kept.bernoulli_(1 - self.locked_dropout).div_(1 - self.locked_dropout)

    def forward(
        self,
        layer: int,
        output: Float[Tensor, "*shape dim"],
        below: Float[Tensor, "*shape below"],
        kept: Float[Tensor, "*rows kept"],
    ) -> Float[Tensor, "*shape dim"]:
        """Return what the layer above reads; `kept` is this layer's part of `draw`, row by row."""
        if self.residual and layer:
            output = below + output
        if self.norms:
            output = self.norms[layer](output)
        return output * kept if kept.shape[-1] else output


def sentence_of_each_word(packed: PackedSequence) -> Int[Tensor, " words"]:
    """Return the row of the batch that each packed word is of."""
    order = packed.sorted_indices
    assert order is not None  # packed with enforce_sorted=False
    return torch.cat([order[:alive] for alive in packed.batch_sizes.tolist()])


class StackedCells(nn.Module):
    """One-layer cells on each other, over packed sentences; called like one cell with several layers.

    The halves of a bidirectional layer are joined before the sum and the norm. The final state h of a layer passes
    the same sum, norm and dropout as its outputs, so it is what the layer above read last; c stays the cell's own.
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
        kept = self.stack.draw(end)
        ends: list[State] = []
        for layer, cell in enumerate(cast(Iterable[Cell], self.cells)):
            read = dropout(below, self.dropout, training=self.training) if layer else below
            packed = PackedSequence(read, batch_sizes, order, inverse)
            outputs, (hidden, memory) = cell.sequence(packed)
            below = self.stack(layer, outputs.data, below, kept[sentences, layer])
            end = self.stack(layer, hidden.flatten(1), end, kept[:, layer])
            ends.append((end.view_as(hidden), memory))
        hidden, memory = (torch.cat(parts, dim=1) for parts in zip(*ends, strict=True))
        return PackedSequence(below, batch_sizes, order, inverse), (hidden, memory)
