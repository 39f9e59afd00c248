"""Products of a loop, W x + b at every step: W is packed once, the gradients of W and b are made after the loop.

Autograd makes the gradient of W at each step, from a small product, and adds it to the sum of the steps before.
Deferred to the end of the backward pass, it is one large product over all steps, which the same machine computes
faster. W stays the same through the loop, so it is packed once for the kernel that multiplies it.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from seq2seq_lab.model.kernel.linear import linear, onednn, packed, prefers_onednn, to_weight

Product = Callable[..., Tensor]
"""(inputs, base=None) -> base + W inputs + b."""


def plain(weight: Tensor, bias: Tensor | None) -> Product:
    """Return the product as autograd knows it: for a single step, and the reference for `deferred`."""

    def product(inputs: Tensor, base: Tensor | None = None) -> Tensor:
        if base is None:
            return linear(inputs, weight, bias)
        added = torch.addmm(base, inputs, weight.t())
        return added if bias is None else added + bias

    return product


FEWEST = 4
"""The first product of at least so many rows packs the matrix: with fewer rows, packing costs as much as some steps."""


class Matrix:
    """W of a loop, outside the graph, packed for each of the two directions when that one is first needed."""

    def __init__(self, weight: Tensor):
        self.weight, self.can_be_packed = weight, prefers_onednn(weight)
        self._forward: Tensor | None = None
        self._backward: Tensor | None = None

    def _pays(self, made: Tensor | None, rows: Tensor) -> bool:
        return self.can_be_packed and (made is not None or len(rows) >= FEWEST)

    def times(self, inputs: Tensor, base: Tensor | None, bias: Tensor | None) -> Tensor:
        """Return base + W inputs + b."""
        if self._pays(self._forward, inputs):
            if self._forward is None:
                self._forward = packed(self.weight, len(inputs))
            return onednn(inputs, self._forward, bias, base)
        if base is None:
            return F.linear(inputs, self.weight, bias)
        added = torch.addmm(base, inputs, self.weight.t())
        return added if bias is None else added.add_(bias)

    def to_inputs(self, gradient: Tensor) -> Tensor:
        """Return the gradient of the inputs from that of the product."""
        if self._pays(self._backward, gradient):
            if self._backward is None:
                self._backward = packed(self.weight.t(), len(gradient))
            return onednn(gradient, self._backward, None, None)
        # under autocast the gradient is of half precision and W is not; autograd casts what is returned
        return gradient @ self.weight.to(gradient.dtype)

    def rows(self, part: Tensor) -> Tensor:
        """Return the rows of inputs or gradients as the gradient of W takes them."""
        return part

    plain = staticmethod(plain)


class _Weights(torch.autograd.Function):
    """W and b in the graph. The backward of each step adds to `steps`; this one runs after all of them."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor | None, steps: list) -> Tensor:
        ctx.steps, ctx.has_bias = steps, bias is not None
        return weight.new_zeros(())

    @staticmethod
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor, Tensor | None, None]:
        inputs, gradients = (torch.cat(parts, dim=-2) for parts in zip(*ctx.steps, strict=True))
        ctx.steps.clear()  # a second backward through the same graph fills it again
        return (
            to_weight(gradients, inputs.to(gradients.dtype)),
            gradients.sum(-2) if ctx.has_bias else None,
            None,
        )


class _Step(torch.autograd.Function):
    """One product; its backward stores what the gradient of W needs."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        base: Tensor | None,
        weights: Tensor,  # noqa: ARG004  # ties this step to `_Weights`
        matrix: Matrix,
        bias: Tensor | None,
        steps: list,
    ) -> Tensor:
        ctx.save_for_backward(inputs)
        ctx.matrix, ctx.steps, ctx.has_base = matrix, steps, base is not None
        return matrix.times(inputs, base, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (inputs,) = ctx.saved_tensors
        ctx.steps.append((ctx.matrix.rows(inputs), ctx.matrix.rows(gradient)))
        to_base = gradient if ctx.has_base else None
        to_inputs = ctx.matrix.to_inputs(gradient)
        return to_inputs, to_base, gradient.new_zeros(()), None, None, None


def deferred(weight: Tensor, bias: Tensor | None, kind: type[Matrix] = Matrix) -> Product:
    """Return the product for a loop, equal to `plain` in values and gradients. Inputs are (rows, width).

    `kind` says how W is multiplied. A product made without gradients refuses to be used where gradients are wanted.
    """
    if not torch.is_grad_enabled():
        return _without_gradients(kind(weight), bias)
    if not weight.requires_grad:
        return kind.plain(weight, bias)
    steps: list[tuple[Tensor, Tensor]] = []
    weights = _Weights.apply(weight, bias, steps)
    matrix, fixed_bias = kind(weight.detach()), None if bias is None else bias.detach()

    def product(inputs: Tensor, base: Tensor | None = None) -> Tensor:
        return _Step.apply(inputs, base, weights, matrix, fixed_bias, steps)

    return product


def _without_gradients(matrix: Matrix, bias: Tensor | None) -> Product:
    def product(inputs: Tensor, base: Tensor | None = None) -> Tensor:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "products made without gradients cannot train: make them where they are used"
            )
        return matrix.times(inputs, base, bias)

    return product
