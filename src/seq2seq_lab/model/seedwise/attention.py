"""Attentions with parameters of their own, of several seeds; the linear maps inside them have forms elsewhere."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from seq2seq_lab.model.attention import AdditiveAttention
from seq2seq_lab.model.history_attention import CoverageAttention, LocationAttention
from seq2seq_lab.model.local_attention import LocalPredictiveAttention


class _OwnVector(nn.Module):
    """The products with a vector (seeds, dim)."""

    vector: nn.Parameter

    def weigh(self, features: Float[Tensor, "*shape dim"]) -> Float[Tensor, "*shape"]:
        """Return v . features with the v of each row's seed."""
        seeds, dim = self.vector.shape
        rows = features.reshape(seeds, -1, dim)
        return torch.bmm(rows, self.vector.unsqueeze(2)).view(features.shape[:-1])


class SeedwiseAdditiveAttention(_OwnVector, AdditiveAttention):
    """`AdditiveAttention` with a v for each seed."""


class SeedwiseLocalPredictiveAttention(_OwnVector, LocalPredictiveAttention):
    """`LocalPredictiveAttention` with a v for each seed."""


class SeedwiseCoverageAttention(_OwnVector, CoverageAttention):
    """`CoverageAttention` with a v for each seed."""


class SeedwiseLocationAttention(_OwnVector, LocationAttention):
    """`LocationAttention` with a v for each seed."""


class SeedwiseFilters(nn.Conv1d):
    """Filters (seeds, filters, 1, width) over one channel."""

    def forward(
        self, input: Float[Tensor, "rows 1 source"]
    ) -> Float[Tensor, "rows filters source"]:
        """Return the filtered rows."""
        seeds, filters = self.weight.shape[:2]
        rows = input.view(seeds, -1, input.shape[2]).transpose(0, 1)
        filtered = F.conv1d(rows, self.weight.flatten(0, 1), padding=self.padding, groups=seeds)
        return filtered.unflatten(1, (seeds, filters)).transpose(0, 1).flatten(0, 1)
