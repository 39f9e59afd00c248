"""The affine maps of one step of a recurrent decoder, in the order in which the step applies them.

`StepWeights` calls the modules that own the weights. `kernel/packed_weights.py` computes the same numbers faster over
many steps.
"""

import torch
from torch import Tensor, nn

from seq2seq_lab.model.cell import Cell, Gates
from seq2seq_lab.model.readout import Readout


class StepWeights:
    """Cells, readout and output layer of a decoder.

    The first cell's input has `static_dim` columns that are known before the step; the step computes the other ones.
    """

    def __init__(self, cells: list[Cell], static_dim: int, readout: Readout, output: nn.Linear):
        self.cells, self.static_dim = cells, static_dim
        self._readout, self._output = readout, output

    def static(self, inputs: Tensor, token: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return W x + b for the static columns of the first cell's input; rows of equal `token` have equal inputs."""
        return self.cells[0].project(inputs)

    def first_gates(
        self,
        projected: Tensor,
        dynamic: list[Tensor],
        hidden: Tensor,
        origin: Tensor | None = None,  # noqa: ARG002
    ) -> Gates:
        """Return the first cell's gates from `static`, the dynamic parts of its input (may be none) and its state.

        Rows of equal `origin` have equal dynamic parts and states.
        """
        if dynamic:
            weight = self.cells[0].weight_ih_l0[:, self.static_dim :]
            projected = torch.addmm(projected, join(dynamic), weight.t())
        return self.cells[0].gates(projected, hidden)

    def upper_gates(self, layer: int, below: Tensor, hidden: Tensor) -> Gates:
        """Return the gates of another layer's cell from the output of the layer below and the cell's state."""
        cell = self.cells[layer]
        return cell.gates(cell.project(below), hidden)

    def readout(self, top: Tensor, context: Tensor, embedded: Tensor) -> Tensor:
        """Return the vector in front of the output layer."""
        return self._readout(top, context, embedded)

    def output(self, readout: Tensor) -> Tensor:
        """Return the logits."""
        return self._output(readout)


def join(parts: list[Tensor]) -> Tensor:
    """Return the parts side by side; a single one is not copied."""
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
