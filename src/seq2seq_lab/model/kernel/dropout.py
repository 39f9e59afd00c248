"""Dropout equal to torch's in distribution, with masks that a CPU draws five times as fast.

On an AMD CPU torch spends a draw of its own on every number; here 16 bits decide, four decisions to a draw of 64. The
probability is therefore a multiple of 2^-16, and the scale of the remaining numbers follows from the rounded one.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

SMALLEST = 2**14
"""With fewer numbers torch's own dropout is as fast."""
LEVELS = 2**16


def dropout(
    inputs: Float[Tensor, "*shape"], probability: float, *, training: bool
) -> Float[Tensor, "*shape"]:
    """Return the inputs with some set to 0 and the rest divided by 1 - probability (Srivastava et al. 2014)."""
    if not training or probability == 0.0 or not _is_worth_it(inputs):
        return F.dropout(inputs, probability, training)
    dropped = min(round(probability * LEVELS), LEVELS - 1)
    draws = torch.empty(-(-inputs.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    bits = draws.view(torch.int16)[: inputs.numel()].view(inputs.shape)
    dropout_mask = (bits >= dropped - LEVELS // 2).to(inputs.dtype)
    return inputs * dropout_mask.mul_(LEVELS / (LEVELS - dropped))


def _is_worth_it(inputs: Tensor) -> bool:
    return (
        inputs.device.type == "cpu"
        and inputs.numel() >= SMALLEST
        and not torch.jit.is_tracing()
        and not torch.compiler.is_compiling()
    )


class Dropout(nn.Dropout):
    """`torch.nn.Dropout` that draws its masks by `dropout`."""

    def forward(self, input: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return the inputs, some of them dropped."""
        return dropout(input, self.p, training=self.training)
