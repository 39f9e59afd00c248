"""`StepWeights` for a loop: each matrix is packed once, its gradient is made after the loop.

Where all gates of the first cell are one sum, its dynamic inputs and its state are one product instead of two.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from seq2seq_lab.model.cell import Cell, Gates
from seq2seq_lab.model.kernel.copies import times_once
from seq2seq_lab.model.kernel.deferred import Product, deferred
from seq2seq_lab.model.readout import Readout
from seq2seq_lab.model.step_weights import StepWeights, join


class PackedWeights(StepWeights):
    """Equal to `StepWeights` in values and gradients; made anew for each loop."""

    deferred: Callable[..., Product] = staticmethod(deferred)

    def __init__(self, cells: list[Cell], static_dim: int, readout: Readout, output: nn.Linear):
        super().__init__(cells, static_dim, readout, output)
        first, made = cells[0], self.deferred
        self._of_static = made(first.weight_ih_l0[..., :static_dim], first.bias_ih_l0)
        dynamic = first.weight_ih_l0[..., static_dim:]
        self._joined = first.gates_add_up and dynamic.shape[-1] > 0
        if self._joined:
            dynamic = torch.cat([dynamic, first.weight_hh_l0], dim=-1)
        self._dynamic = made(dynamic, first.bias_hh_l0 if self._joined else None)
        self._inputs = [made(cell.weight_ih_l0, cell.bias_ih_l0) for cell in cells[1:]]
        self._recurrent = [made(cell.weight_hh_l0, cell.bias_hh_l0) for cell in cells]
        layer: Any = readout.layer
        has_weights = isinstance(layer, nn.Linear)
        self._readout_layer = made(layer.weight, layer.bias) if has_weights else layer
        self._output_layer = made(output.weight, output.bias)

    def static(self, inputs: Tensor, token: Tensor | None = None) -> Tensor:
        """Return W x + b for the static columns of the first cell's input; rows of equal `token` have equal inputs."""
        return times_once(self._of_static, inputs, token)

    def first_gates(
        self,
        projected: Tensor,
        dynamic: list[Tensor],
        hidden: Tensor,
        origin: Tensor | None = None,
    ) -> Gates:
        """Return the first cell's gates from `static`, the dynamic parts of its input (may be none) and its state.

        Rows of equal `origin` have equal dynamic parts and states: they are multiplied once.
        """
        if self._joined:
            return times_once(self._dynamic, join([*dynamic, hidden]), origin, projected)
        if dynamic:
            projected = self._dynamic(join(dynamic), projected)
        return self._gates(0, projected, hidden)

    def upper_gates(self, layer: int, below: Tensor, hidden: Tensor) -> Gates:
        """Return the gates of another layer's cell from the output of the layer below and the cell's state."""
        return self._gates(layer, self._inputs[layer - 1](below), hidden)

    def _gates(self, layer: int, projected: Tensor, hidden: Tensor) -> Gates:
        recurrent = self._recurrent[layer]
        if self.cells[layer].gates_add_up:
            return recurrent(hidden, projected)
        return projected, recurrent(hidden)

    def readout(self, top: Tensor, context: Tensor, embedded: Tensor) -> Tensor:
        """Return the vector in front of the output layer."""
        readout = self._readout
        return readout.activate(self._readout_layer(readout.join(top, context, embedded)))

    def output(self, readout: Tensor) -> Tensor:
        """Return the logits."""
        return self._output_layer(readout)
