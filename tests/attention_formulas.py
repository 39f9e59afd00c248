"""The published attention scores, each for one query and one memory state, as loops over floats."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from seq2seq_lab.model.attention import Attention
from seq2seq_lab.model.state import Memory


def dot(query: list[float], key: list[float]) -> float:
    return sum(q * k for q, k in zip(query, key, strict=True))


def times(weight: Tensor, vector: list[float]) -> list[float]:
    return [dot(row, vector) for row in weight.tolist()]


def additive(a: Attention, query: list[float], state: list[float]) -> float:
    pairs = zip(
        times(a.query.weight, query), times(a.key.weight, state), a.key.bias.tolist(), strict=True
    )
    return dot(a.vector.tolist(), [math.tanh(q + k + b) for q, k, b in pairs])


FORMULAS: dict[str, Callable[[Attention, list[float], list[float]], float]] = {
    "UniformAttention": lambda a, query, state: 0.0,
    "DotAttention": lambda a, query, state: dot(query, state),
    "ScaledDotAttention": lambda a, query, state: dot(query, state) / math.sqrt(len(state)),
    "GeneralAttention": lambda a, query, state: dot(query, times(a.key.weight, state)),
    "AdditiveAttention": additive,
}


def one_pair_at_a_time(attention: Attention, query: list[float], state: list[float]) -> float:
    """Return the class's own score of a single query and a single state."""
    alone = torch.tensor([[state]], dtype=torch.float64)
    memory = Memory(alone, torch.ones(1, 1, dtype=torch.bool), alone, alone[..., :0])
    keys = attention.prepare(memory).keys
    return attention.score(torch.tensor([[query]], dtype=torch.float64), keys).item()
