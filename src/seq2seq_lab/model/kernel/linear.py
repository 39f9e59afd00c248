"""The linear layer x W^T + b and its gradients by the faster of two kernels: oneDNN's on a CPU, or torch's choice.

torch multiplies float32 matrices on the CPU with BLAS, which slows down when a row of the result does not begin at a
multiple of 32 bytes, as with most vocabulary sizes; oneDNN does not. On an AMD CPU with AVX-512, MKL uses half the
width of its registers and oneDNN all of it. Where MKL uses all of it, it is as fast as oneDNN in forward products,
whatever the addresses, and faster in gradients. Without AVX-512, oneDNN's gradient of the matrix has half of MKL's
speed, and where the rows begin at such addresses BLAS wins the forward product too: oneDNN makes new code for each
number of rows that it has not seen. `docs/performance.md` has the figures.
"""

import ctypes
import functools
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

SMALLEST = 2**16
"""A matrix of fewer elements goes to oneDNN only for a product of `LEAST` multiplications."""
LEAST = 2**22
"""With fewer multiplications the call costs more than it saves."""
ALIGNED = 8
"""Elements of 32 bytes: BLAS writes rows of a multiple of them at full speed."""


def has_onednn(matrix: Tensor) -> bool:
    """Return whether oneDNN can multiply this matrix: float32, on a CPU, and nothing traces the graph."""
    return (
        matrix.dtype == torch.float32
        and matrix.device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and bool(torch.backends.mkldnn.enabled)
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and not torch.is_autocast_enabled("cpu")
        and not torch.jit.is_tracing()
        and not torch.compiler.is_compiling()
    )


def prefers_onednn(weight: Tensor, rows: int = 0) -> bool:
    """Return whether the product of so many rows (0: not known yet) with this matrix goes to oneDNN."""
    size = weight.numel()
    return (size >= SMALLEST or rows * size >= LEAST) and has_onednn(weight)


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


def has_avx512() -> bool:
    """Return whether torch uses registers of 512 bits (`ATEN_CPU_CAPABILITY` may forbid it)."""
    return torch.backends.cpu.get_cpu_capability() == "AVX512"


@functools.cache
def mkl_has_intel_kernels() -> bool:
    """Return whether torch's MKL takes its kernels for Intel CPUs; False where torch has another BLAS.

    It asks the function that MKL asks; a library that the user loads before torch's may answer in its place.
    """
    if not torch.backends.mkl.is_available():
        return False
    for library in (None, torch._C.__file__):
        try:
            return bool(ctypes.CDLL(library).mkl_serv_intel_cpu_true())
        except (OSError, AttributeError):
            continue
    return False


def suits_blas(weight: Tensor) -> bool:
    """Return whether BLAS multiplies by this matrix as fast as oneDNN, which makes code for each number of rows."""
    return mkl_has_intel_kernels() if has_avx512() else len(weight) % ALIGNED == 0


def _is_large(gradient: Tensor, other: Tensor) -> bool:
    """Return whether a product of a backward pass goes to oneDNN; `other` is the matrix or the inputs.

    Where a graph of the backward pass is wanted, it is made of torch's own products.
    """
    return (
        gradient.numel() * other.shape[-1] >= LEAST
        and gradient.dtype == other.dtype
        and has_onednn(other)
        and has_avx512()
        and not mkl_has_intel_kernels()
        and not torch.is_grad_enabled()
    )


def to_inputs(
    gradient: Float[Tensor, "*rows output"], weight: Float[Tensor, "output input"]
) -> Float[Tensor, "*rows input"]:
    """Return the gradient of the inputs from that of the product."""
    if _is_large(gradient, weight):
        return onednn(gradient, weight.t().contiguous(), None, None)
    return gradient @ weight


def to_weight(
    gradient: Float[Tensor, "*seeds rows output"], inputs: Float[Tensor, "*seeds rows input"]
) -> Float[Tensor, "*seeds output input"]:
    """Return the gradient of the matrix from that of the product, or of one matrix for each seed."""
    if gradient.dim() == 2 and _is_large(gradient, inputs):
        parts = gradient.to_mkldnn(), inputs.to_mkldnn()
        return torch.ops.aten.mkldnn_linear_backward_weights(*parts, inputs, False)[0]  # noqa: FBT003
    return gradient.mT @ inputs


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
        of_inputs, of_weight, of_bias = ctx.needs_input_grad
        return (
            to_inputs(gradient, weight) if of_inputs else None,
            to_weight(flat, inputs.flatten(0, -2)) if of_weight else None,
            flat.sum(0) if ctx.has_bias and of_bias else None,
        )


def linear(
    inputs: Float[Tensor, "*rows input"],
    weight: Float[Tensor, "output input"],
    bias: Float[Tensor, " output"] | None = None,
) -> Float[Tensor, "*rows output"]:
    """Return what `torch.nn.functional.linear` returns, up to rounding.

    A slice of columns goes to BLAS, which takes it as it is: to copy it at every step would cost more than is won.
    """
    fits_onednn = inputs.dtype == weight.dtype and inputs.dim() > 1 and weight.is_contiguous()
    if fits_onednn and not suits_blas(weight) and prefers_onednn(weight, inputs.shape[:-1].numel()):
        return _Linear.apply(inputs, weight, bias)
    return F.linear(inputs, weight, bias)


class Linear(nn.Linear):
    """`torch.nn.Linear` by `linear`."""

    def forward(self, inputs: Float[Tensor, "*rows input"]) -> Float[Tensor, "*rows output"]:
        """Return x W^T + b."""
        return linear(inputs, self.weight, self.bias)
