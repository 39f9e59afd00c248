"""Recurrent cells: torch's fused modules for whole sequences, and the same equations for a single time step.

A cell class is a torch module with `sequence` (fused, over time) and `step` (one time step, the input already
projected). Its state is always a pair (hidden, cell state); the cell state of all cells but the LSTM has width 0.
"""

import math
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from seq2seq_lab.model.checks import check_positive, check_probability
from seq2seq_lab.model.kernel.half_precision import without_missing_kernels
from seq2seq_lab.model.kernel.linear import linear

State = tuple[Tensor, Tensor]
"""(hidden, cell state)"""
Gates = Tensor | tuple[Tensor, Tensor]
"""W x + b + U h + c before the activations; in a GRU the pair of W x + b and U h + c."""
T = TypeVar("T", Tensor, PackedSequence)


class Cell(nn.RNNBase):
    """Base class of the cells; comes before a torch module in the bases and uses torch's parameter names.

    `gates_add_up` says that every gate is a function of W x + U h + b, so that a loop may compute both products at
    once. `orthogonal` starts the recurrent weights of each gate as a random rotation (Saxe et al. 2014); else all
    weights start as torch's do, uniform within 1 / sqrt(dim).
    """

    has_cell_state = False
    gates_add_up = True
    torch_settings: ClassVar[dict[str, Any]] = {}
    weight_ih_l0: Tensor
    weight_hh_l0: Tensor
    bias_ih_l0: Tensor
    bias_hh_l0: Tensor

    def __init__(
        self,
        input_dim: int,
        dim: int,
        *,
        num_layers: int = 1,
        dropout: float = 0.0,
        bidirectional: bool = False,
        orthogonal: bool = False,
    ):
        check_positive(input_dim=input_dim, dim=dim, num_layers=num_layers)
        check_probability("dropout", dropout)
        super().__init__(  # the torch module's constructor, not RNNBase's
            input_dim,  # type: ignore[arg-type]
            dim,
            num_layers=num_layers,
            batch_first=True,
            # torch applies dropout between layers only and warns when there is nothing between
            dropout=dropout if num_layers > 1 else 0.0,
            bidirectional=bidirectional,
            **self.torch_settings,
        )
        if orthogonal:
            self._rotate()

    @torch.no_grad()
    def _rotate(self) -> None:
        for name, weight in self.named_parameters():
            if name.startswith("weight_hh"):
                for gate in weight.split(self.hidden_size):
                    nn.init.orthogonal_(gate)

    def project(
        self, inputs: Float[Tensor, "*shape input"], start: int = 0
    ) -> Float[Tensor, "*shape gates"]:
        """Return W x + b for inputs that are the columns of x from `start` on."""
        weight = self.weight_ih_l0[:, start : start + inputs.shape[-1]]
        return linear(inputs, weight, self.bias_ih_l0)

    def project_steps(
        self, inputs: Float[Tensor, "batch steps input"]
    ) -> Float[Tensor, "steps batch gates"]:
        """Return W x + b, steps first, so that the input of a step is contiguous."""
        return self.project(inputs.transpose(0, 1))

    def sequence(self, inputs: T, state: State | None = None) -> tuple[T, State]:
        """Run over all time steps. States are (batch, layers x directions, dim), batch first."""
        outputs, final = self(inputs, None if state is None else self._to_torch(state))
        return outputs, self._from_torch(final)

    def step(self, projected: Float[Tensor, "batch gates"], state: State) -> State:
        """Return the state of a one-layer cell after one time step; `projected` is W x + b."""
        return self.update(self.gates(projected, state[0]), state)

    def gates(
        self, projected: Float[Tensor, "batch gates"], hidden: Float[Tensor, "batch dim"]
    ) -> Gates:
        """Return the gates before their activations; `projected` is W x + b."""
        if self.gates_add_up:
            return torch.addmm(projected, hidden, self.weight_hh_l0.t()) + self.bias_hh_l0
        return projected, linear(hidden, self.weight_hh_l0, self.bias_hh_l0)

    def update(self, gates: Any, state: State) -> State:
        """Return the new state from the gates and the state before."""
        raise NotImplementedError

    def _to_torch(self, state: State) -> Any:
        return state[0].transpose(0, 1).contiguous()

    def _from_torch(self, final: Any) -> State:
        hidden = final.transpose(0, 1)
        return hidden, hidden[..., :0]


class TanhCell(Cell, nn.RNN):
    """The simple recurrent network of Elman (1990): h' = tanh(W x + U h + b)."""

    def update(self, gates: Float[Tensor, "batch dim"], state: State) -> State:
        """Return tanh of the sum."""
        return torch.tanh(gates), state[1]


class ReluCell(Cell, nn.RNN):
    """The simple recurrent network with max(0, x) for tanh, as in Le et al. (2015)."""

    torch_settings: ClassVar[dict[str, Any]] = {"nonlinearity": "relu"}

    def update(self, gates: Float[Tensor, "batch dim"], state: State) -> State:
        """Return the positive part of the sum."""
        return torch.relu(gates), state[1]


class GruCell(Cell, nn.GRU):
    """The gated recurrent unit of Cho et al. (2014), in the variant that cuDNN and torch compute."""

    gates_add_up = False

    def update(self, gates: tuple[Tensor, Tensor], state: State) -> State:
        """Return (1 - z) n + z h with n = tanh(W x + b + r (U h + c)); r keeps the two products apart."""
        (projected, recurrent), (hidden, empty) = gates, state
        both = 2 * self.hidden_size
        reset, update = torch.sigmoid(projected[:, :both] + recurrent[:, :both]).chunk(2, dim=1)
        new = torch.tanh(torch.addcmul(projected[:, both:], reset, recurrent[:, both:]))
        return torch.lerp(new, hidden, update), empty


class LstmCell(Cell, nn.LSTM):
    """Long short-term memory (Hochreiter and Schmidhuber 1997) with forget gate, without peepholes.

    `forget_bias` is added to the forget gate's first bias; with 1 the cell keeps its state from the start (Jozefowicz
    et al. 2015).
    """

    has_cell_state = True

    def __init__(
        self,
        input_dim: int,
        dim: int,
        *,
        num_layers: int = 1,
        dropout: float = 0.0,
        bidirectional: bool = False,
        orthogonal: bool = False,
        forget_bias: float = 0.0,
    ):
        if not math.isfinite(forget_bias):
            raise ValueError(f"forget_bias={forget_bias}: must be finite; use 0 to add nothing")
        super().__init__(
            input_dim,
            dim,
            num_layers=num_layers,
            dropout=dropout,
            bidirectional=bidirectional,
            orthogonal=orthogonal,
        )
        with torch.no_grad():
            for name, bias in self.named_parameters():
                if name.startswith("bias_ih"):
                    bias[dim : 2 * dim] += forget_bias

    def sequence(self, inputs: T, state: State | None = None) -> tuple[T, State]:
        """Run over all time steps. States are (batch, layers x directions, dim), batch first."""
        with without_missing_kernels(self.weight_hh_l0):
            return super().sequence(inputs, state)

    def update(self, gates: Float[Tensor, "batch gates"], state: State) -> State:
        """Return h = o tanh(c) and c = f c + i tanh(g)."""
        enter, forget, new, leave = gates.chunk(4, dim=1)
        cell_state = torch.sigmoid(forget) * state[1] + torch.sigmoid(enter) * torch.tanh(new)
        return torch.sigmoid(leave) * torch.tanh(cell_state), cell_state

    def _to_torch(self, state: State) -> Any:
        return state[0].transpose(0, 1).contiguous(), state[1].transpose(0, 1).contiguous()

    def _from_torch(self, final: Any) -> State:
        return final[0].transpose(0, 1), final[1].transpose(0, 1)
