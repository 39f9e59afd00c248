"""Recurrent cells with layer normalisation inside the step (Ba et al. 2016): of W x + b and of U h + c, each by itself.

torch has no fused module for them, so a sequence is a loop over its steps. `Stack` normalises outputs between layers.
"""

from typing import Any, ClassVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from seq2seq_lab.model.cell import Cell, State, T
from seq2seq_lab.model.kernel.deferred import deferred
from seq2seq_lab.model.kernel.dropout import dropout
from seq2seq_lab.model.kernel.linear import linear

Norm = tuple[Tensor, Tensor]
"""(gain, shift) of everything that a layer normalises in one direction, side by side"""


class _Weights(nn.RNNBase):
    """torch's weights of a cell, and of each layer and direction `gain_l0` (1 at first) and `shift_l0` (0 at first)."""

    mode_name: ClassVar[str]
    normalized: ClassVar[int]
    """How many vectors of the cell's width are normalised in a step, alone or together."""

    def __init__(self, *sizes: Any, **settings: Any):
        super().__init__(self.mode_name, *sizes, **settings)
        for layer in range(self.num_layers):
            for end in ends(layer, bidirectional=self.bidirectional):
                width = self.normalized * self.hidden_size
                self.register_parameter(f"gain_{end}", nn.Parameter(torch.ones(width)))
                self.register_parameter(f"shift_{end}", nn.Parameter(torch.zeros(width)))


def ends(layer: int, *, bidirectional: bool) -> list[str]:
    """Return how the names of a layer's parameters end, for each direction."""
    return [f"l{layer}", f"l{layer}_reverse"][: 1 + bidirectional]


class LayerNormCell(Cell):
    """Base class: the loop over the steps, and the norms."""

    gates_add_up = False
    gain_l0: Tensor
    shift_l0: Tensor

    def sequence(self, inputs: T, state: State | None = None) -> tuple[T, State]:
        """Run over all time steps. States are (batch, layers x directions, dim), batch first."""
        if isinstance(inputs, PackedSequence):
            if torch.jit.is_tracing():
                raise RuntimeError(
                    "its encoder's loop has no ONNX form; train one with model/cell=gru or lstm"
                )
            data, batch_sizes, order, inverse = inputs
            outputs, final = self._run(data, batch_sizes.tolist(), _rows(state, order))
            return PackedSequence(outputs, batch_sizes, order, inverse), _rows(final, inverse)
        padded = cast(Tensor, inputs)
        batch, steps = padded.shape[:2]
        by_steps = padded.transpose(0, 1).reshape(steps * batch, -1)
        outputs, final = self._run(by_steps, [batch] * steps, state)
        return outputs.unflatten(0, (steps, batch)).transpose(0, 1), final

    def _run(
        self, below: Float[Tensor, "words input"], rows: list[int], state: State | None
    ) -> tuple[Float[Tensor, "words output"], State]:
        """Run all layers over words in the order of their steps, of which step t has `rows[t]`."""
        if state is None:
            zeros = below.new_zeros(
                rows[0], self.num_layers * (1 + self.bidirectional), self.hidden_size
            )
            state = zeros, zeros if self.has_cell_state else zeros[..., :0]
        before = list(zip(*(part.unbind(1) for part in state), strict=True))
        final: list[State] = []
        for layer in range(self.num_layers):
            read = dropout(below, self.dropout, training=self.training) if layer else below
            outputs = []
            for end in ends(layer, bidirectional=self.bidirectional):
                states, last = self._loop(read, rows, before[len(final)], end)
                outputs.append(states)
                final.append(last)
            below = torch.cat(outputs, dim=-1)
        hidden, cell_states = (torch.stack(part, dim=1) for part in zip(*final, strict=True))
        return below, (hidden, cell_states)

    def _loop(
        self, inputs: Tensor, rows: list[int], state: State, end: str
    ) -> tuple[Tensor, State]:
        """Run one layer in one direction; a row whose sentence has ended or not begun keeps its state."""
        of_input, of_state, *biases = (
            getattr(self, f"{name}_{end}")
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        norm = getattr(self, f"gain_{end}"), getattr(self, f"shift_{end}")
        recurrent = deferred(of_state, biases[1])
        direction = -1 if end.endswith("reverse") else 1
        outputs, every = [], linear(inputs, of_input, biases[0])
        state = state[0].to(every.dtype), state[1].to(every.dtype)  # half precision under autocast
        for projected in every.split(rows)[::direction]:
            alive = len(projected)
            before = state[0][:alive], state[1][:alive]
            new = self.update((projected, recurrent(before[0])), before, norm)
            outputs.append(new[0])
            rest = state[0][alive:], state[1][alive:]
            state = new if not len(rest[0]) else _under(new, rest)
        return torch.cat(outputs[::direction]), state

    def update(self, gates: Any, state: State, norm: Norm | None = None) -> State:
        """Return the new state from the gates and the state before; without `norm` with that of the first layer."""
        raise NotImplementedError

    def _normalized(
        self, values: Float[Tensor, "rows width"], start: int, norm: Norm | None
    ) -> Float[Tensor, "rows width"]:
        """Return the values with mean 0 and variance 1, times gain, plus shift; `start` counts vectors before them."""
        gain, shift = self._of_norm(values, start, norm)
        return F.layer_norm(values, values.shape[-1:], gain, shift).to(values.dtype)

    def _of_norm(self, values: Tensor, start: int, norm: Norm | None) -> Norm:
        first = start * self.hidden_size
        columns = slice(first, first + values.shape[-1])
        gain, shift = norm or (self.gain_l0, self.shift_l0)
        return gain[..., columns], shift[..., columns]


class LayerNormGruCell(LayerNormCell, _Weights):
    """The GRU with normalised products: both gates together, the new content by itself (Ba et al. 2016)."""

    mode_name = "GRU"
    normalized = 6

    def update(self, gates: tuple[Tensor, Tensor], state: State, norm: Norm | None = None) -> State:
        """Return (1 - z) n + z h with n = tanh(N(W x + b) + r N(U h + c)), r and z from normalised sums as well."""
        (projected, recurrent), (hidden, empty) = gates, state
        both = 2 * self.hidden_size
        reset, update = torch.sigmoid(
            self._normalized(projected[:, :both], 0, norm)
            + self._normalized(recurrent[:, :both], 3, norm)
        ).chunk(2, dim=1)
        from_input = self._normalized(projected[:, both:], 2, norm)
        new = torch.tanh(
            torch.addcmul(from_input, reset, self._normalized(recurrent[:, both:], 5, norm))
        )
        return torch.lerp(new, hidden, update), empty


class LayerNormLstmCell(LayerNormCell, _Weights):
    """The LSTM with normalised products, all four gates together, and a normalised c in front of the output gate.

    Ba et al. 2016, equations 20 to 22.
    """

    mode_name = "LSTM"
    normalized = 9
    has_cell_state = True

    def update(self, gates: tuple[Tensor, Tensor], state: State, norm: Norm | None = None) -> State:
        """Return h = o tanh(N(c)) and c = f c + i tanh(g)."""
        projected, recurrent = gates
        total = self._normalized(projected, 0, norm) + self._normalized(recurrent, 4, norm)
        enter, forget, new, leave = total.chunk(4, dim=1)
        cell_state = torch.sigmoid(forget) * state[1] + torch.sigmoid(enter) * torch.tanh(new)
        return torch.sigmoid(leave) * torch.tanh(self._normalized(cell_state, 8, norm)), cell_state


def _rows(state: Any, order: Tensor | None) -> Any:
    """Return the rows of both states in this order."""
    if state is None or order is None:
        return state
    return state[0].index_select(0, order), state[1].index_select(0, order)


def _under(new: State, rest: State) -> State:
    """Return the rows of `rest` under those of `new`."""
    return torch.cat([new[0], rest[0]]), torch.cat([new[1], rest[1]])
