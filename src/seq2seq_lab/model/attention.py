"""Attention: weights over the source positions for a decoder state, and the context, their weighted average.

`keys = attention.prepare(memory)` runs once per sentence. `context, weights = attention(query, keys, past)` takes
several queries on the same memory: the steps of a sentence or the hypotheses of a beam. A subclass of `Attention`
gives its score; the normalizer over the real positions and the average are the same for all. To add a score, write
one class here and one yaml beside the others. Attentions with several heads, with a window or with a state that
depends on earlier weights are in the modules beside this one.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from seq2seq_lab.model.checks import check_positive, refuse_empty_rows
from seq2seq_lab.model.kernel.linear import Linear
from seq2seq_lab.model.normalizer import Normalizer, Softmax, WeightsChange
from seq2seq_lab.model.state import AttentionKeys, Memory


class _Changed(Normalizer):
    """The weights of a normalizer after a change: how an intervention reaches every kind of attention."""

    def __init__(self, normalizer: Normalizer, change: WeightsChange):
        self.normalizer, self.change = normalizer, change

    def __call__(
        self, scores: Float[Tensor, "batch steps source"], mask: Bool[Tensor, "batch source"]
    ) -> Float[Tensor, "batch steps source"]:
        """Return the changed weights."""
        return self.change(self.normalizer(scores, mask), mask)


class Attention(nn.Module):
    """Base class: score, divide by the temperature, normalise over the real positions, average.

    A temperature below 1 sharpens the weights, one above 1 flattens them. `normalizer` is softmax if None.
    """

    def __init__(
        self,
        query_dim: int,
        memory_dim: int,
        temperature: float = 1.0,
        normalizer: Normalizer | None = None,
    ):
        super().__init__()
        check_positive(query_dim=query_dim, memory_dim=memory_dim)
        if not 0.0 < temperature < math.inf:
            raise ValueError(
                f"temperature={temperature}: must be > 0; 1 leaves the scores as they are"
            )
        self.context_dim = memory_dim
        self.temperature, self.normalizer = temperature, normalizer or Softmax()

    def prepare(self, memory: Memory) -> AttentionKeys:
        """Return the keys and values of the memory. Refuses a row without any real token."""
        refuse_empty_rows(memory.mask)
        values = memory.states.masked_fill(~memory.mask.unsqueeze(-1), 0.0)
        return AttentionKeys(self.keys(values), values, memory.mask)

    def keys(self, values: Float[Tensor, "batch source dim"]) -> Float[Tensor, "batch source key"]:
        """Project the memory for comparison; the identity unless a score says otherwise."""
        return values

    def score(
        self, query: Float[Tensor, "batch steps query"], keys: Float[Tensor, "batch source key"]
    ) -> Float[Tensor, "batch steps source"]:
        """Compare each query with each key."""
        raise NotImplementedError

    def energies(
        self,
        query: Float[Tensor, "batch steps query"],
        keys: AttentionKeys,
        past: Float[Tensor, "batch steps past"],  # noqa: ARG002
    ) -> Float[Tensor, "batch steps source"]:
        """Return the input of the normalizer; a class that needs more than one query and one key gives its own."""
        return self.score(query, keys.keys) / self.temperature

    def start(self, keys: AttentionKeys) -> Float[Tensor, "batch past"]:
        """Return the attention's own state before the first step; width 0 without one."""
        return keys.values.new_zeros(keys.values.shape[0], 0)

    def advance(
        self,
        past: Float[Tensor, "rows past"],
        weights: Float[Tensor, "rows source"],  # noqa: ARG002
    ) -> Float[Tensor, "rows past"]:
        """Return the attention's own state after a step with these weights."""
        return past

    def forward(
        self,
        query: Float[Tensor, "batch steps query"],
        keys: AttentionKeys,
        past: Float[Tensor, "batch steps past"],
    ) -> tuple[Float[Tensor, "batch steps context"], Float[Tensor, "batch steps weights"]]:
        """Return the context vectors and the attention weights of the queries, each with a past of its own."""
        weights = self.normalizer(self.energies(query, keys, past), keys.mask)
        return torch.bmm(weights, keys.values), weights

    def change_weights(self, change: WeightsChange) -> None:
        """Pass the weights of every head through this change from now on."""
        self.normalizer = _Changed(self.normalizer, change)

    def attention_weights(
        self,
        query: Float[Tensor, "batch steps query"],
        keys: AttentionKeys,
        past: Float[Tensor, "batch steps past"],
    ) -> Float[Tensor, "batch heads steps weights"]:
        """Return the weights of each head; `forward` returns their mean. A plain score is one head."""
        return self(query, keys, past)[1].unsqueeze(1)

    def sequence(
        self, query: Float[Tensor, "batch steps query"], keys: AttentionKeys
    ) -> tuple[Float[Tensor, "batch steps context"], Float[Tensor, "batch steps weights"]]:
        """Return contexts and weights of all steps in their order; one call without an own state."""
        past = self.start(keys)
        if past.shape[-1] == 0:
            return self(query, keys, past.unsqueeze(1).expand(-1, query.shape[1], -1))
        steps = []
        for now in query.split(1, dim=1):
            steps.append(self(now, keys, past.unsqueeze(1)))
            past = self.advance(past, steps[-1][1][:, 0])
        contexts, weights = zip(*steps, strict=True)
        return torch.cat(contexts, dim=1), torch.cat(weights, dim=1)


class NoAttention(Attention):
    """No attention at all: a context of width 0, no weights, no parameters."""

    def __init__(self, query_dim: int, memory_dim: int):
        super().__init__(query_dim, memory_dim)
        self.context_dim = 0

    def prepare(self, memory: Memory) -> AttentionKeys:
        """Return keys and values of width 0."""
        nothing = memory.states[:, :0, :0]
        return AttentionKeys(nothing, nothing, memory.mask[:, :0])

    def forward(
        self,
        query: Float[Tensor, "batch steps query"],
        keys: AttentionKeys,  # noqa: ARG002
        past: Float[Tensor, "batch steps 0"],  # noqa: ARG002
    ) -> tuple[Float[Tensor, "batch steps 0"], Float[Tensor, "batch steps 0"]]:
        """Return a context and weights of width 0."""
        return query[..., :0], query[..., :0]


class UniformAttention(Attention):
    """The null model: the same weight for every real position."""

    def __init__(self, query_dim: int, memory_dim: int):
        super().__init__(query_dim, memory_dim)

    def score(
        self, query: Float[Tensor, "batch steps query"], keys: Float[Tensor, "batch source key"]
    ) -> Float[Tensor, "batch steps source"]:
        """Return the same score everywhere."""
        return query.new_zeros(query.shape[0], query.shape[1], keys.shape[1])


class DotAttention(Attention):
    """q . k (Luong et al. 2015); query and memory need equal widths."""

    def __init__(
        self,
        query_dim: int,
        memory_dim: int,
        temperature: float = 1.0,
        normalizer: Normalizer | None = None,
    ):
        super().__init__(query_dim, memory_dim, temperature, normalizer)
        if query_dim != memory_dim:
            raise ValueError(
                f"query_dim={query_dim}, memory_dim={memory_dim}: a dot product needs equal widths; "
                "use model/attention=general"
            )

    def score(
        self, query: Float[Tensor, "batch steps query"], keys: Float[Tensor, "batch source key"]
    ) -> Float[Tensor, "batch steps source"]:
        """Return the inner products."""
        return torch.bmm(query, keys.transpose(1, 2))


class ScaledDotAttention(DotAttention):
    """q . k / sqrt(width) (Vaswani et al. 2017)."""

    def score(
        self, query: Float[Tensor, "batch steps query"], keys: Float[Tensor, "batch source key"]
    ) -> Float[Tensor, "batch steps source"]:
        """Return the scaled inner products."""
        return super().score(query, keys) / math.sqrt(keys.shape[-1])


class GeneralAttention(Attention):
    """q . W k (Luong et al. 2015), for any two widths."""

    def __init__(
        self,
        query_dim: int,
        memory_dim: int,
        temperature: float = 1.0,
        normalizer: Normalizer | None = None,
    ):
        super().__init__(query_dim, memory_dim, temperature, normalizer)
        self.key = Linear(memory_dim, query_dim, bias=False)

    def keys(self, values: Float[Tensor, "batch source dim"]) -> Float[Tensor, "batch source key"]:
        """Return W k."""
        return self.key(values)

    def score(
        self, query: Float[Tensor, "batch steps query"], keys: Float[Tensor, "batch source key"]
    ) -> Float[Tensor, "batch steps source"]:
        """Return the inner products with the projected keys."""
        return torch.bmm(query, keys.transpose(1, 2))


class AdditiveAttention(Attention):
    """v . tanh(W q + U k + b) (Bahdanau et al. 2015), also called concat or MLP attention."""

    def __init__(
        self,
        query_dim: int,
        memory_dim: int,
        dim: int,
        temperature: float = 1.0,
        normalizer: Normalizer | None = None,
    ):
        super().__init__(query_dim, memory_dim, temperature, normalizer)
        check_positive(dim=dim)
        self.query = Linear(query_dim, dim, bias=False)
        self.key = Linear(memory_dim, dim)
        self.vector = nn.Parameter(torch.empty(dim).uniform_(-(dim**-0.5), dim**-0.5))

    def keys(self, values: Float[Tensor, "batch source dim"]) -> Float[Tensor, "batch source key"]:
        """Return U k + b."""
        return self.key(values)

    def score(
        self, query: Float[Tensor, "batch steps query"], keys: Float[Tensor, "batch source key"]
    ) -> Float[Tensor, "batch steps source"]:
        """Return v . tanh(W q + U k + b)."""
        return self.weigh(torch.tanh(self.query(query).unsqueeze(2) + keys.unsqueeze(1)))

    def weigh(
        self, features: Float[Tensor, "batch steps source dim"]
    ) -> Float[Tensor, "batch steps source"]:
        """Return v . features."""
        return features @ self.vector


@contextmanager
def calls(attention: Attention) -> Iterator[list[tuple[Any, ...]]]:
    """Fill a list with the arguments of every call of this attention, in order."""
    found: list[tuple[Any, ...]] = []
    hook = attention.register_forward_pre_hook(lambda _, given: found.append(given))
    try:
        yield found
    finally:
        hook.remove()
