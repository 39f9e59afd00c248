"""The linear layer x W^T + b by the faster of two kernels: oneDNN's where the CPU has it, else torch's choice.

torch multiplies float32 matrices on the CPU with BLAS, which slows down when a row of the result does not begin at a
multiple of 32 bytes, as with most vocabulary sizes; oneDNN does not. `docs/performance.md` has the figures.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

SMALLEST = 2**16
"""With fewer elements the call costs more than it saves."""


def prefers_onednn(weight: Tensor) -> bool:
    """Return whether products with this matrix go to oneDNN: large, float32, on a CPU, and nothing traces the graph."""
    return (
        weight.dtype == torch.float32
        and weight.device.type == "cpu"
        and weight.numel() >= SMALLEST
        and torch.backends.mkldnn.is_available()
        and bool(torch.backends.mkldnn.enabled)
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and not torch.is_autocast_enabled("cpu")
        and not torch.jit.is_tracing()
        and not torch.compiler.is_compiling()
    )


def onednn(inputs: Tensor, weight: Tensor, bias: Tensor | None, base: Tensor | None) -> Tensor:
    """Return base + inputs W^T + b without a graph; `weight` may come from `packed`.

    Rows must lie side by side: oneDNN takes others too, a hundred times slower.
    """
    inputs = inputs.contiguous()
    if base is None:
        return torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], None)
    added = base.contiguous()
    return torch.ops.mkldnn._linear_pointwise.binary(inputs, added, weight, bias, "add")


def packed(weight: Tensor, rows: int) -> Tensor:
    """Return W in oneDNN's own memory format, for many products with that many rows."""
    return torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), rows)


class _Linear(torch.autograd.Function):
    """The product by oneDNN, differentiable as often as wanted."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        ctx.has_bias = bias is not None
        return onednn(inputs, weight, bias, None)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight = ctx.saved_tensors
        flat = gradient.flatten(0, -2)
        to_inputs, to_weight, to_bias = ctx.needs_input_grad
        return (
            gradient @ weight if to_inputs else None,
            flat.t() @ inputs.flatten(0, -2) if to_weight else None,
            flat.sum(0) if ctx.has_bias and to_bias else None,
        )


def linear(
    inputs: Float[Tensor, "*rows input"],
    weight: Float[Tensor, "output input"],
    bias: Float[Tensor, " output"] | None = None,
) -> Float[Tensor, "*rows output"]:
    """Return what `torch.nn.functional.linear` returns, up to rounding.

    A slice of columns goes to BLAS, which takes it as it is: to copy it at every step would cost more than is won.
    """
    suits = inputs.dtype == weight.dtype and inputs.dim() > 1 and weight.is_contiguous()
    if suits and prefers_onednn(weight):
        return _Linear.apply(inputs, weight, bias)
    return F.linear(inputs, weight, bias)


class Linear(nn.Linear):
    """`torch.nn.Linear` by `linear`."""

    def forward(self, inputs: Float[Tensor, "*rows input"]) -> Float[Tensor, "*rows output"]:
        """Return x W^T + b."""
        return linear(inputs, self.weight, self.bias)
