"""Token cross-entropy as sum and count, so that the mean is taken once, over real tokens only."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F


def negative_log_likelihood(
    logits: Float[Tensor, "tokens vocab"], targets: Int[Tensor, " tokens"]
) -> Float[Tensor, ""]:
    """Return the sum of -log p(target) in nats: never smoothed, the base of every reported perplexity."""
    return F.cross_entropy(logits, targets, reduction="sum")


class TokenCrossEntropy(torch.nn.Module):
    """The training loss, summed over tokens.

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
        return F.cross_entropy(
            logits, targets, reduction="sum", label_smoothing=self.label_smoothing
        )
