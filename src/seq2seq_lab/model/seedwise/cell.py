"""Recurrent cells of several seeds: parameters (seeds, ...), rows of all seeds side by side, no packing."""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from seq2seq_lab.model.cell import Cell, Gates, GruCell, LstmCell, ReluCell, State, TanhCell
from seq2seq_lab.model.layer_norm_cell import (
    LayerNormCell,
    LayerNormGruCell,
    LayerNormLstmCell,
    Norm,
)
from seq2seq_lab.model.seedwise.lstm import lstm
from seq2seq_lab.model.seedwise.products import product

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class SeedwiseCell(Cell):
    """Base class: what a cell does with weights of its own for each seed."""

    names: tuple[str, ...] = NAMES

    def project(
        self, inputs: Float[Tensor, "*shape input"], start: int = 0
    ) -> Float[Tensor, "*shape gates"]:
        """Return W x + b for inputs that are the columns of x from `start` on."""
        weight = self.weight_ih_l0[..., start : start + inputs.shape[-1]]
        return product(inputs, weight, self.bias_ih_l0)

    def project_steps(
        self, inputs: Float[Tensor, "rows steps input"]
    ) -> Float[Tensor, "steps rows gates"]:
        """Return W x + b, steps first."""
        return self.project(inputs).transpose(0, 1)

    def gates(
        self, projected: Float[Tensor, "rows gates"], hidden: Float[Tensor, "rows dim"]
    ) -> Gates:
        """Return the gates before their activations; `projected` is W x + b."""
        recurrent = product(hidden, self.weight_hh_l0, self.bias_hh_l0)
        return projected + recurrent if self.gates_add_up else (projected, recurrent)

    def sequence(self, inputs: Any, state: State | None = None) -> tuple[Any, State]:
        """Run over all steps of unpadded rows. States are (rows, 1, dim)."""
        assert state is not None
        seeds = len(self.weight_ih_l0)
        hidden, cell_state = (part[:, 0].unflatten(0, (seeds, -1)) for part in state)
        steps = inputs.unflatten(0, (seeds, -1)).transpose(1, 2)
        weights = self._weights(0, ("",))
        outputs, final = self.scan(steps, (hidden, cell_state), weights, None)
        last = outputs[-1].flatten(0, 1).unsqueeze(1), final.flatten(0, 1).unsqueeze(1)
        return outputs.flatten(1, 2).transpose(0, 1), last

    def padded(
        self,
        inputs: Float[Tensor, "rows steps input"],
        layer: int,
        padding: Bool[Tensor, "rows steps"],
    ) -> tuple[Float[Tensor, "rows steps output"], State]:
        """Run one layer over padded rows: outputs, 0 on padding, and final states (rows, directions, dim)."""
        directions = ("", "_reverse")[: 1 + self.bidirectional]
        weights = self._weights(layer, directions)
        seeds, dim = len(self.weight_ih_l0), self.hidden_size
        steps = inputs.unflatten(0, (seeds, -1)).transpose(1, 2)
        ends = padding.unflatten(0, (seeds, -1)).transpose(1, 2)
        last = (~ends).sum(1) - 1
        if self.bidirectional:
            steps, ends = (torch.cat([part, part.flip(1)]) for part in (steps, ends))
        zeros = steps.new_zeros(len(steps), steps.shape[2], dim)
        state = zeros, zeros if self.has_cell_state else zeros[..., :0]
        outputs, final = self.scan(steps, state, weights, ends)
        forward, *backward = outputs.split(seeds, dim=1)
        hidden = forward.gather(0, last[None, ..., None].expand(1, -1, -1, dim))[0]
        both = [forward, *(one.flip(0) for one in backward)]
        states = [part.flatten(0, 1) for part in (hidden, *(one[0] for one in both[1:]))]
        cell_states = [part.flatten(0, 1) for part in final.split(seeds)]
        joined = torch.cat(both, dim=-1).flatten(1, 2).transpose(0, 1)
        joined = joined.masked_fill(padding.unsqueeze(-1), 0.0)
        return joined, (torch.stack(states, dim=1), torch.stack(cell_states, dim=1))

    def _weights(self, layer: int, directions: tuple[str, ...]) -> tuple[Tensor, ...]:
        """Return the weights of a layer, those of the backward direction behind those of the forward one."""
        return tuple(
            torch.cat([getattr(self, f"{name}_l{layer}{end}") for end in directions])
            if len(directions) > 1
            else getattr(self, f"{name}_l{layer}")
            for name in self.names
        )

    def scan(
        self,
        steps: Float[Tensor, "seeds steps rows input"],
        state: State,
        weights: tuple[Tensor, ...],
        padding: Bool[Tensor, "seeds steps rows"] | None,
    ) -> tuple[Float[Tensor, "steps seeds rows dim"], Float[Tensor, "seeds rows cell"]]:
        """Return h at every step and the last c; on padding the state stays as it is."""
        of_inputs, of_state, first_bias, second_bias, *norm = weights
        state = state[0].flatten(0, 1), state[1].flatten(0, 1)
        projected = product(steps.flatten(0, 1), of_inputs, first_bias)
        outputs, of_norm = [], [tuple(norm)] if norm else []
        for t, now in enumerate(projected.unflatten(0, steps.shape[:2]).unbind(1)):
            recurrent = product(state[0], of_state, second_bias)
            gates = now.flatten(0, 1)
            both = gates + recurrent if self.gates_add_up else (gates, recurrent)
            new = self.update(both, state, *of_norm)
            if padding is not None:
                holds = padding[:, t].flatten().unsqueeze(1)
                new = torch.where(holds, state[0], new[0]), torch.where(holds, state[1], new[1])
            state = new
            outputs.append(state[0].unflatten(0, (len(of_state), -1)))
        return torch.stack(outputs), state[1].unflatten(0, (len(of_state), -1))


class SeedwiseTanhCell(SeedwiseCell, TanhCell):
    """`TanhCell` with weights for each seed."""


class SeedwiseReluCell(SeedwiseCell, ReluCell):
    """`ReluCell` with weights for each seed."""


class SeedwiseGruCell(SeedwiseCell, GruCell):
    """`GruCell` with weights for each seed."""


class SeedwiseLstmCell(SeedwiseCell, LstmCell):
    """`LstmCell` with weights for each seed and a fused loop."""

    def scan(
        self,
        steps: Float[Tensor, "seeds steps rows input"],
        state: State,
        weights: Any,
        padding: Bool[Tensor, "seeds steps rows"] | None,
    ) -> tuple[Float[Tensor, "steps seeds rows dim"], Float[Tensor, "seeds rows cell"]]:
        """Return h at every step and the last c; on padding c stays as it is, h is not meant to be read."""
        return lstm(steps, state, weights, padding)


class SeedwiseLayerNormCell(SeedwiseCell, LayerNormCell):
    """Base class: gains and shifts (seeds, width)."""

    names = (*NAMES, "gain", "shift")

    def _normalized(
        self, values: Float[Tensor, "rows width"], start: int, norm: Norm | None
    ) -> Float[Tensor, "rows width"]:
        gain, shift = (part.unsqueeze(1) for part in self._of_norm(values, start, norm))
        rows = F.layer_norm(values, values.shape[-1:]).unflatten(0, (len(gain), -1))
        return torch.addcmul(shift, rows, gain).flatten(0, 1)


class SeedwiseLayerNormGruCell(SeedwiseLayerNormCell, LayerNormGruCell):
    """`LayerNormGruCell` with weights for each seed."""


class SeedwiseLayerNormLstmCell(SeedwiseLayerNormCell, LayerNormLstmCell):
    """`LayerNormLstmCell` with weights for each seed."""
