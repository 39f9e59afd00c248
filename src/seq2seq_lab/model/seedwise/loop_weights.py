"""The products of a loop for several seeds: batched over the seeds, the gradients of W and b made after the loop."""

from functools import partial

import torch
from torch import Tensor, nn

from seq2seq_lab.model.cell import Cell, Gates
from seq2seq_lab.model.kernel.deferred import Matrix, Product, deferred
from seq2seq_lab.model.kernel.packed_weights import PackedWeights
from seq2seq_lab.model.readout import Readout
from seq2seq_lab.model.seedwise.draws import Draws
from seq2seq_lab.model.seedwise.products import product


class SeedwiseMatrix(Matrix):
    """W (seeds, output, input) of a loop, multiplied with inputs (rows of all seeds, width)."""

    def __init__(self, weight: Tensor):
        self.weight = weight

    def times(self, inputs: Tensor, base: Tensor | None, bias: Tensor | None) -> Tensor:
        """Return base + W inputs + b."""
        made = product(inputs, self.weight, bias)
        return made if base is None else made.add_(base)

    def to_inputs(self, gradient: Tensor) -> Tensor:
        """Return the gradient of the inputs from that of the product."""
        return torch.bmm(self.rows(gradient), self.weight).flatten(0, 1)

    def rows(self, part: Tensor) -> Tensor:
        """Return (seeds, rows of a seed, width)."""
        return part.reshape(len(self.weight), -1, part.shape[-1])

    @staticmethod
    def plain(weight: Tensor, bias: Tensor | None) -> Product:
        """Return the product as autograd knows it."""
        return lambda inputs, base=None: SeedwiseMatrix(weight).times(inputs, base, bias)


class SeedwiseWeights(PackedWeights):
    """`PackedWeights` of all seeds; made anew for each loop, whose steps it counts for the draws."""

    deferred = staticmethod(partial(deferred, kind=SeedwiseMatrix))

    def __init__(
        self, draws: Draws, cells: list[Cell], static_dim: int, readout: Readout, output: nn.Linear
    ):
        super().__init__(cells, static_dim, readout, output)
        self._draws, self._steps = draws, 0

    def static(self, inputs: Tensor, token: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return W x + b for the static columns; equal tokens of two seeds are no copies of each other."""
        return super().static(inputs)

    def first_gates(
        self,
        projected: Tensor,
        dynamic: list[Tensor],
        hidden: Tensor,
        origin: Tensor | None = None,  # noqa: ARG002
    ) -> Gates:
        """Return the first cell's gates, and count the step."""
        self._draws.step = self._steps
        self._steps += 1
        return super().first_gates(projected, dynamic, hidden)
