"""Multi-head attention over the memory states."""

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seq2seq_lab.model.attention import Attention
from seq2seq_lab.model.checks import check_positive
from seq2seq_lab.model.normalizer import Normalizer
from seq2seq_lab.model.state import AttentionKeys, Memory


class MultiHeadAttention(Attention):
    """W [head 1; head 2; ...], each head a scaled dot attention on projections of its own (Vaswani et al. 2017).

    `dim` is the width of all heads together and of the context. No projection has a bias, as in the paper: one on the
    keys would be the same for every position and change nothing. The weights returned are the mean of the heads'.
    """

    def __init__(
        self,
        query_dim: int,
        memory_dim: int,
        dim: int,
        num_heads: int,
        temperature: float = 1.0,
        normalizer: Normalizer | None = None,
    ):
        super().__init__(query_dim, memory_dim, temperature, normalizer)
        check_positive(dim=dim, num_heads=num_heads)
        if dim % num_heads:
            raise ValueError(
                f"num_heads={num_heads}: must divide the attention's dim={dim}; choose a divisor"
            )
        self.num_heads, self.context_dim = num_heads, dim
        self.query = nn.Linear(query_dim, dim, bias=False)
        self.key = nn.Linear(memory_dim, dim, bias=False)
        self.value = nn.Linear(memory_dim, dim, bias=False)
        self.output = nn.Linear(dim, dim, bias=False)

    def prepare(self, memory: Memory) -> AttentionKeys:
        """Return the keys and values of all heads, side by side."""
        keys = super().prepare(memory)
        return replace(keys, values=self.value(keys.values))

    def keys(self, values: Float[Tensor, "batch source dim"]) -> Float[Tensor, "batch source key"]:
        """Return the keys of all heads, side by side."""
        return self.key(values)

    def energies(
        self,
        query: Float[Tensor, "batch steps query"],
        keys: AttentionKeys,
        past: Float[Tensor, "batch steps past"],  # noqa: ARG002
    ) -> Float[Tensor, "batch rows source"]:
        """Return the scaled inner products of all heads: the rows are the steps of one head, then of the next."""
        query_heads, key_heads = self._heads(self.query(query)), self._heads(keys.keys)
        scale = math.sqrt(key_heads.shape[-1]) * self.temperature
        return torch.matmul(query_heads, key_heads.transpose(2, 3)).flatten(1, 2) / scale

    def forward(
        self,
        query: Float[Tensor, "batch steps query"],
        keys: AttentionKeys,
        past: Float[Tensor, "batch steps past"],
    ) -> tuple[Float[Tensor, "batch steps context"], Float[Tensor, "batch steps weights"]]:
        """Return the context vectors and the mean of the heads' weights."""
        weights = self.attention_weights(query, keys, past)
        contexts = torch.matmul(weights, self._heads(keys.values))
        return self.output(contexts.transpose(1, 2).flatten(2)), weights.mean(dim=1)

    def attention_weights(
        self,
        query: Float[Tensor, "batch steps query"],
        keys: AttentionKeys,
        past: Float[Tensor, "batch steps past"],
    ) -> Float[Tensor, "batch heads steps source"]:
        """Return the weights of each head."""
        weights = self.normalizer(self.energies(query, keys, past), keys.mask)
        return weights.unflatten(1, (self.num_heads, -1))

    def _heads(
        self, joined: Float[Tensor, "batch rows dim"]
    ) -> Float[Tensor, "batch heads rows width"]:
        return joined.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
