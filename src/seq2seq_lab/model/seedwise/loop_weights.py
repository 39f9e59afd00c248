"""The products of a loop for several seeds: batched over the seeds, the gradients of W and b made after the loop."""

from typing import Any

import torch
from torch import Tensor, nn

from seq2seq_lab.model.cell import Cell, Gates
from seq2seq_lab.model.kernel.deferred import Product
from seq2seq_lab.model.kernel.packed_weights import PackedWeights
from seq2seq_lab.model.readout import Readout
from seq2seq_lab.model.seedwise.draws import Draws
from seq2seq_lab.model.seedwise.products import product


class _Weights(torch.autograd.Function):
    """W (seeds, output, input) and b in the graph. The backward of each step adds to `steps`; this one runs last."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor | None, steps: list) -> Tensor:
        ctx.steps, ctx.has_bias = steps, bias is not None
        return weight.new_zeros(())

    @staticmethod
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor, Tensor | None, None]:
        inputs, gradients = (torch.cat(parts, dim=1) for parts in zip(*ctx.steps, strict=True))
        ctx.steps.clear()
        to_weight = torch.bmm(gradients.transpose(1, 2), inputs)
        return to_weight, gradients.sum(1) if ctx.has_bias else None, None


class _Step(torch.autograd.Function):
    """One product; its backward stores what the gradient of W needs."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        base: Tensor | None,
        weights: Tensor,  # noqa: ARG004  # ties this step to `_Weights`
        weight: Tensor,
        bias: Tensor | None,
        steps: list,
    ) -> Tensor:
        ctx.save_for_backward(inputs)
        ctx.weight, ctx.steps, ctx.has_base = weight, steps, base is not None
        return _times(inputs, base, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (inputs,) = ctx.saved_tensors
        seeds, _, width = ctx.weight.shape
        rows = gradient.reshape(seeds, -1, gradient.shape[-1])
        ctx.steps.append((inputs.reshape(seeds, -1, width), rows))
        to_inputs = torch.bmm(rows, ctx.weight).view(-1, width)
        to_base = gradient if ctx.has_base else None
        return to_inputs, to_base, gradient.new_zeros(()), None, None, None


def _times(inputs: Tensor, base: Tensor | None, weight: Tensor, bias: Tensor | None) -> Tensor:
    made = product(inputs, weight, bias)
    return made if base is None else made.add_(base)


def deferred(weight: Tensor, bias: Tensor | None) -> Product:
    """Return `kernel.deferred` for a weight (seeds, output, input); inputs are (rows of all seeds, width)."""
    if not torch.is_grad_enabled() or not weight.requires_grad:
        return lambda inputs, base=None: _times(inputs, base, weight, bias)
    steps: list[tuple[Tensor, Tensor]] = []
    weights = _Weights.apply(weight, bias, steps)
    fixed, fixed_bias = weight.detach(), None if bias is None else bias.detach()

    def times(inputs: Tensor, base: Tensor | None = None) -> Tensor:
        return _Step.apply(inputs, base, weights, fixed, fixed_bias, steps)

    return times


class SeedwiseWeights(PackedWeights):
    """`PackedWeights` of all seeds; made anew for each loop, whose steps it counts for the draws."""

    deferred = staticmethod(deferred)

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
