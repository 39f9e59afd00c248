"""Products of a loop: W x + b at every step, the gradients of W and b made once, over all steps.

Autograd would make the gradient of W anew at each step, from a small product, and add it to what is there. Put off to
the end it is one large product over all steps, which the same machine computes faster. And since W stays the same
through the loop, it is laid out once for the kernel that multiplies it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from seq2seq_lab.model.kernel.linear import laid_out, linear, onednn, prefers_onednn

Product = Callable[[Tensor, Tensor | None], Tensor]
"""(inputs, base or None) -> base + W inputs + b."""
MakeProduct = Callable[[Tensor, Tensor | None], Product]
"""(W, b or None) -> product."""


@dataclass(frozen=True)
class Products:
    """Those of a recurrent decoder's step.

    `static` reads what is known before the step, `dynamic` what the loop makes, `inputs` what the layer below gives to
    each layer but the first, `recurrent` each layer's state. With `joins_state`, `dynamic` reads the first layer's
    state too, and its `recurrent` adds nothing. Attention keeps its own products.
    """

    static: Product
    dynamic: Product
    inputs: tuple[Product, ...]
    recurrent: tuple[Product, ...]
    readout: Product | None
    output: Product
    joins_state: bool = False

    def joined(self, dynamic: Tensor, recurrent: Tensor, bias: Tensor) -> "Products":
        """Return the same for a loop, `dynamic` reading the first layer's state too: one product instead of two."""
        both = put_off(torch.cat([dynamic, recurrent], dim=1), bias)
        rest = self.recurrent[1:]
        return replace(self, dynamic=both, recurrent=(_nothing_more, *rest), joins_state=True)


def _nothing_more(_: Tensor, base: Tensor | None = None) -> Tensor:
    """Stand for the product that `dynamic` has made already."""
    assert base is not None
    return base


def plain(weight: Tensor, bias: Tensor | None) -> Product:
    """Return the product as autograd knows it: for a single step, and the reference for `put_off`."""

    def product(inputs: Tensor, base: Tensor | None = None) -> Tensor:
        if base is None:
            return linear(inputs, weight, bias)
        added = torch.addmm(base, inputs, weight.t())
        return added if bias is None else added + bias

    return product


FEWEST = 4
"""A matrix is laid out by the first product of so many rows: for fewer it would cost as much as some steps."""


class Matrix:
    """W of a loop, outside the graph. It is laid out for both directions, each when first needed."""

    def __init__(self, weight: Tensor):
        self.weight, self.is_laid_out = weight, prefers_onednn(weight)
        self._forward: Tensor | None = None
        self._backward: Tensor | None = None

    def _pays(self, made: Tensor | None, rows: Tensor) -> bool:
        return self.is_laid_out and (made is not None or len(rows) >= FEWEST)

    def times(self, inputs: Tensor, base: Tensor | None, bias: Tensor | None) -> Tensor:
        """Return base + W inputs + b."""
        if self._pays(self._forward, inputs):
            if self._forward is None:
                self._forward = laid_out(self.weight, len(inputs))
            return onednn(inputs, self._forward, bias, base)
        if base is None:
            return F.linear(inputs, self.weight, bias)
        added = torch.addmm(base, inputs, self.weight.t())
        return added if bias is None else added.add_(bias)

    def to_inputs(self, gradient: Tensor) -> Tensor:
        """Return the gradient of the inputs from that of the product."""
        if self._pays(self._backward, gradient):
            if self._backward is None:
                self._backward = laid_out(self.weight.t(), len(gradient))
            return onednn(gradient, self._backward, None, None)
        # under autocast the gradient is of half precision and W is not; autograd casts what is returned
        return gradient @ self.weight.to(gradient.dtype)


class _Weights(torch.autograd.Function):
    """Stands for W and b in the graph: its backward runs when all steps have left their gradients in `steps`."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor | None, steps: list) -> Tensor:
        ctx.steps, ctx.has_bias = steps, bias is not None
        return weight.new_zeros(())

    @staticmethod
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor, Tensor | None, None]:
        inputs, gradients = (torch.cat(parts) for parts in zip(*ctx.steps, strict=True))
        ctx.steps.clear()  # a second backward through the same graph fills it again
        return (
            gradients.t() @ inputs.to(gradients.dtype),
            gradients.sum(0) if ctx.has_bias else None,
            None,
        )


class _Step(torch.autograd.Function):
    """One product; its backward keeps what the gradient of W needs."""

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
        ctx.steps.append((inputs, gradient))
        to_base = gradient if ctx.has_base else None
        to_inputs = ctx.matrix.to_inputs(gradient)
        return to_inputs, to_base, gradient.new_zeros(()), None, None, None


def _times(matrix: Matrix, bias: Tensor | None, inputs: Tensor, base: Tensor | None) -> Tensor:
    if torch.is_grad_enabled():
        raise RuntimeError(
            "products made without gradients cannot train: make them where they are used"
        )
    return matrix.times(inputs, base, bias)


def put_off(weight: Tensor, bias: Tensor | None) -> Product:
    """Return the product for a loop; equal to `plain` in values and gradients. Inputs are (rows, width).

    Made without gradients, it refuses to be used where gradients are wanted.
    """
    if not torch.is_grad_enabled():
        return partial(_times, Matrix(weight), bias)
    if not weight.requires_grad:
        return plain(weight, bias)
    steps: list[tuple[Tensor, Tensor]] = []
    weights = _Weights.apply(weight, bias, steps)
    matrix, fixed_bias = Matrix(weight.detach()), None if bias is None else bias.detach()

    def product(inputs: Tensor, base: Tensor | None = None) -> Tensor:
        return _Step.apply(inputs, base, weights, matrix, fixed_bias, steps)

    return product
