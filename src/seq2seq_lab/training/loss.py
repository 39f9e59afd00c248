"""Cross-entropy with label smoothing, summed over target tokens; the caller divides by their number once."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class _CrossEntropy(torch.autograd.Function):
    """Cross-entropy with its own backward, which needs one tensor of tokens x vocabulary.

    torch's autograd needs three: log-probabilities, their gradient (zero but for the targets) and that of the logits.
    The backward overwrites the log-probabilities, so torch refuses a second one through the same graph.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        # half precision is widened as in torch's own, under autocast and without
        wide = torch.promote_types(logits.dtype, torch.float32)
        log_probabilities = F.log_softmax(logits, dim=-1, dtype=wide)
        ctx.smoothing, ctx.dtype = smoothing, logits.dtype
        ctx.save_for_backward(log_probabilities, targets)
        total = F.nll_loss(log_probabilities, targets, reduction="sum")
        if smoothing:
            evenly = -log_probabilities.sum() / logits.shape[-1]
            total = (1 - smoothing) * total + smoothing * evenly
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        log_probabilities, targets = ctx.saved_tensors
        difference = log_probabilities.exp_()
        if ctx.smoothing:
            difference.sub_(ctx.smoothing / difference.shape[-1])
        rows = torch.arange(len(targets), device=targets.device)
        difference[rows, targets] -= 1 - ctx.smoothing
        return difference.mul_(gradient).to(ctx.dtype), None, None


def cross_entropy(
    logits: Float[Tensor, "tokens vocab"], targets: Int[Tensor, " tokens"], smoothing: float = 0.0
) -> Float[Tensor, ""]:
    """Return what `torch.nn.functional.cross_entropy` returns with reduction "sum", in less memory.

    No target is ignored. Logits of half precision give a float32 loss.
    """
    return _CrossEntropy.apply(logits, targets, smoothing)


def negative_log_likelihood(
    logits: Float[Tensor, "tokens vocab"], targets: Int[Tensor, " tokens"]
) -> Float[Tensor, ""]:
    """Return the sum of -log p(target) in nats, without smoothing: every reported perplexity comes from it."""
    return cross_entropy(logits, targets)


class TokenCrossEntropy(torch.nn.Module):
    """The training loss: cross-entropy with label smoothing, summed over tokens.

    With label smoothing e (Szegedy et al. 2016) the target distribution is (1 - e) on the target plus e spread evenly
    over the whole vocabulary.
    """

    def __init__(self, label_smoothing: float = 0.0):
        super().__init__()
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(f"label_smoothing={label_smoothing}: must be in [0, 1)")
        self.label_smoothing = label_smoothing

    def forward(
        self, logits: Float[Tensor, "tokens vocab"], targets: Int[Tensor, " tokens"]
    ) -> Float[Tensor, ""]:
        """Return the sum over the tokens."""
        return cross_entropy(logits, targets, self.label_smoothing)
