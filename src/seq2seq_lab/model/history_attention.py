"""Additive attention that depends on its own earlier weights."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seq2seq_lab.model.attention import AdditiveAttention
from seq2seq_lab.model.checks import check_positive
from seq2seq_lab.model.normalizer import Normalizer
from seq2seq_lab.model.state import AttentionKeys


class _HistoryAttention(AdditiveAttention):
    """v . tanh(W q + U k + b + f), where f is a function of one number per source position: the past."""

    def features(
        self, past: Float[Tensor, "batch steps source"]
    ) -> Float[Tensor, "batch steps source dim"]:
        """Return f."""
        raise NotImplementedError

    def start(self, keys: AttentionKeys) -> Float[Tensor, "batch past"]:
        """Return zeros."""
        return torch.zeros_like(keys.mask, dtype=keys.values.dtype)

    def energies(
        self,
        query: Float[Tensor, "batch steps query"],
        keys: AttentionKeys,
        past: Float[Tensor, "batch steps past"],
    ) -> Float[Tensor, "batch steps source"]:
        """Return v . tanh(W q + U k + b + f) over the temperature."""
        summed = self.query(query).unsqueeze(2) + keys.keys.unsqueeze(1) + self.features(past)
        return self.weigh(torch.tanh(summed)) / self.temperature


class LocationAttention(_HistoryAttention):
    """Location-aware (Chorowski et al. 2015): f is a convolution over the weights of the step before.

    `num_filters` filters, each `kernel_size` positions wide and centred, and a linear map to `dim`. Beyond both ends
    of the sentence, and before the first step, the weights are 0.
    """

    def __init__(
        self,
        query_dim: int,
        memory_dim: int,
        dim: int,
        num_filters: int = 10,
        kernel_size: int = 5,
        temperature: float = 1.0,
        normalizer: Normalizer | None = None,
    ):
        super().__init__(query_dim, memory_dim, dim, temperature, normalizer)
        check_positive(num_filters=num_filters, kernel_size=kernel_size)
        if kernel_size % 2 == 0:
            raise ValueError(
                f"kernel_size={kernel_size}: must be odd, so that a filter has a middle; add 1"
            )
        self.filters = nn.Conv1d(1, num_filters, kernel_size, padding=kernel_size // 2, bias=False)
        self.location = nn.Linear(num_filters, dim, bias=False)

    def features(
        self, past: Float[Tensor, "batch steps source"]
    ) -> Float[Tensor, "batch steps source dim"]:
        """Return the filtered weights of the step before."""
        filtered = self.filters(past.flatten(0, 1).unsqueeze(1))
        return self.location(filtered.transpose(1, 2)).unflatten(0, past.shape[:2])

    def advance(
        self,
        past: Float[Tensor, "rows past"],  # noqa: ARG002
        weights: Float[Tensor, "rows source"],
    ) -> Float[Tensor, "rows past"]:
        """Return these weights."""
        return weights


class CoverageAttention(_HistoryAttention):
    """Coverage (See et al. 2017): f is w times the sum of the weights of all steps before.

    Only the attention; the paper's coverage loss is not part of it.
    """

    def __init__(
        self,
        query_dim: int,
        memory_dim: int,
        dim: int,
        temperature: float = 1.0,
        normalizer: Normalizer | None = None,
    ):
        super().__init__(query_dim, memory_dim, dim, temperature, normalizer)
        self.coverage = nn.Linear(1, dim, bias=False)

    def features(
        self, past: Float[Tensor, "batch steps source"]
    ) -> Float[Tensor, "batch steps source dim"]:
        """Return w times the coverage."""
        return self.coverage(past.unsqueeze(-1))

    def advance(
        self, past: Float[Tensor, "rows past"], weights: Float[Tensor, "rows source"]
    ) -> Float[Tensor, "rows past"]:
        """Add these weights."""
        return past + weights
