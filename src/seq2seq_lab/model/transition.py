"""Transitions of hard attention: p(a_t = j | a_{t-1} = i) from one score for each source position.

Hard attention reads one source position a_t at each step. The scores are those of an attention; a transition says which
positions may follow which, and normalises over these.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seq2seq_lab.model.checks import check_positive

LOG_ZERO = -1e30
"""The logarithm of 0: its exp is exactly 0 in every float type, and unlike -inf it has finite gradients."""


class Transition:
    """Base class: the softmax of the scores over the positions that are allowed."""

    def allowed(self, width: int, mask: Bool[Tensor, "rows source"]) -> Bool[Tensor, "..."]:
        """Return where position j may follow position i, (rows or 1, i or 1, j); padding is left out by the caller."""
        raise NotImplementedError

    def __call__(
        self, scores: Float[Tensor, "rows steps source"], mask: Bool[Tensor, "rows source"]
    ) -> Float[Tensor, "rows steps source source"]:
        """Return log p(a_t = j | a_{t-1} = i) at [row, step, i, j], `LOG_ZERO` where j may not follow i."""
        width = scores.shape[2]
        allowed = self.allowed(width, mask) & mask.unsqueeze(1)
        moves = scores.unsqueeze(2).expand(-1, -1, width, -1)
        return moves.masked_fill(~allowed.unsqueeze(1), LOG_ZERO).log_softmax(dim=-1)


class MonotonicTransition(Transition):
    """Never back: a_t >= a_{t-1} (Wu and Cotterell 2019); the first step may begin anywhere.

    `max_jump` limits a_t - a_{t-1}; None has no limit. With a limit the first step counts from the first position.
    """

    def __init__(self, max_jump: int | None = None):
        if max_jump is not None:
            check_positive(max_jump=max_jump)
        self.max_jump = max_jump

    def allowed(self, width: int, mask: Bool[Tensor, "rows source"]) -> Bool[Tensor, "..."]:
        """Return where j >= i, and no more than `max_jump` beyond it."""
        position = torch.arange(width, device=mask.device)
        jump = position.unsqueeze(0) - position.unsqueeze(1)
        forward = jump >= 0
        if self.max_jump is not None:
            forward = forward & (jump <= self.max_jump)
        return forward.unsqueeze(0)


class FreeTransition(Transition):
    """Anywhere, whatever the position before: hard attention of order 0 (Wu et al. 2018), for tasks that reorder."""

    def allowed(self, width: int, mask: Bool[Tensor, "rows source"]) -> Bool[Tensor, "..."]:  # noqa: ARG002
        """Return that every position may follow every other."""
        return mask.unsqueeze(1)
