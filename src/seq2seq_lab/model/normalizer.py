"""Normalizers: the weights of an attention from its scores, with sum 1 over the real positions.

A score of -inf gets the weight 0; padding and positions outside a window have that score. `softmax` gives every other
position a weight above 0; the sparse normalizers give exactly 0 to scores far enough below the best.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

WeightsChange = Callable[[Tensor, Tensor], Tensor]
"""(weights (batch, rows, source), mask (batch, source)) -> the weights to use"""


def only_real(
    scores: Float[Tensor, "batch steps source"], mask: Bool[Tensor, "batch source"]
) -> Float[Tensor, "batch steps source"]:
    """Return the scores with -inf on padding."""
    return scores.masked_fill(~mask.unsqueeze(1), -math.inf)


class Normalizer:
    """Base class: weights that are 0 on padding and sum to 1 in every row."""

    def __call__(
        self, scores: Float[Tensor, "batch steps source"], mask: Bool[Tensor, "batch source"]
    ) -> Float[Tensor, "batch steps source"]:
        """Return the weights; every row of the mask must have a real position, every row of scores a finite one."""
        # the sparse ones sort, count and sum, for which half precision is too coarse
        wide = torch.promote_types(scores.dtype, torch.float32)
        return self.weights(only_real(scores, mask).to(wide)).to(scores.dtype)

    def weights(
        self, scores: Float[Tensor, "batch steps source"]
    ) -> Float[Tensor, "batch steps source"]:
        """Normalise over the last axis."""
        raise NotImplementedError


class Softmax(Normalizer):
    """exp(s) / sum exp(s): every real position gets a weight above 0. The default of every attention."""

    def weights(
        self, scores: Float[Tensor, "batch steps source"]
    ) -> Float[Tensor, "batch steps source"]:
        """Normalise over the last axis."""
        return torch.softmax(scores, dim=-1)


class Sparsemax(Normalizer):
    """The nearest distribution to the scores, max(s - tau, 0) (Martins and Astudillo 2016): many weights are 0."""

    def weights(
        self, scores: Float[Tensor, "batch steps source"]
    ) -> Float[Tensor, "batch steps source"]:
        """Normalise over the last axis."""
        from entmax import sparsemax

        return sparsemax(scores, dim=-1)


class Entmax15(Normalizer):
    """max(s / 2 - tau, 0)^2 (Peters et al. 2019): half-way between softmax and sparsemax."""

    def weights(
        self, scores: Float[Tensor, "batch steps source"]
    ) -> Float[Tensor, "batch steps source"]:
        """Normalise over the last axis."""
        from entmax import entmax15

        return entmax15(scores, dim=-1)
