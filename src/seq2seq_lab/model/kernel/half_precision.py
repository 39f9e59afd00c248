"""Half precision on CPUs without a kernel for it, or with a slow one."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


@contextlib.contextmanager
def without_missing_kernels(weight: Tensor) -> Iterator[None]:
    """Run an LSTM of half precision by torch's own loops where the CPU lacks oneDNN's kernel.

    torch (2.13) hands it to oneDNN all the same, which fails; `weight` is one of the LSTM's.
    """
    is_autocast = torch.is_autocast_enabled("cpu")
    dtype = torch.get_autocast_dtype("cpu") if is_autocast else weight.dtype
    enabled = torch._C._get_mkldnn_enabled()
    if weight.device.type != "cpu" or not enabled or _has_kernel(dtype):
        yield
        return
    # `torch.backends.mkldnn.flags` warns of GPUs
    torch._C._set_mkldnn_enabled(False)  # noqa: FBT003
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(enabled)


def _has_kernel(dtype: torch.dtype) -> bool:
    if dtype is torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype is not torch.float16 or bool(torch.ops.mkldnn._is_mkldnn_fp16_supported())


def attend(query: Tensor, keys: Tensor, values: Tensor, **options: Any) -> Tensor:
    """Return torch's scaled dot-product attention; under autocast on a CPU it is computed in float32.

    The backward pass of torch's kernel (2.13) for bfloat16 takes eight times as long as that for float32.
    """
    if query.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return F.scaled_dot_product_attention(query, keys, values, **options)
    with torch.autocast("cpu", enabled=False):
        wide: Any = (part.float() for part in (query, keys, values))
        return F.scaled_dot_product_attention(*wide, **options).to(query.dtype)
