"""The published attentions as loops over floats, one sentence after another, without tensor operations.

A formula takes the attention (for its weights), the queries of all steps and the states of one sentence, and gives
per step the weights and the context.
"""

import math
from collections.abc import Callable
from typing import Any

import torch

from seq2seq_lab.model.attention import Attention
from seq2seq_lab.model.state import Memory

Vector = list[float]
Formula = Callable[[Any, list[Vector], list[Vector]], list[tuple[Vector, Vector]]]


def dot(query: Vector, key: Vector) -> float:
    return sum(q * k for q, k in zip(query, key, strict=True))


def times(weight: torch.Tensor, vector: Vector) -> Vector:
    return [dot(row, vector) for row in weight.tolist()]


def total(*vectors: Vector) -> Vector:
    return [sum(parts) for parts in zip(*vectors, strict=True)]


def mean(weights: Vector, vectors: list[Vector]) -> Vector:
    return total(*([w * x for x in v] for w, v in zip(weights, vectors, strict=True)))


# weights from scores


def threshold(too_much: Callable[[float], bool], high: float) -> float:
    """Return by bisection the point below `high`, and at most 2 below it, where too much becomes too little."""
    low = high - 2.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if too_much(middle) else (low, middle)
    return low


def softmax(scores: Vector) -> Vector:
    powers = [math.exp(s) for s in scores]
    return [p / sum(powers) for p in powers]


def sparsemax(scores: Vector) -> Vector:
    tau = threshold(lambda t: sum(max(s - t, 0.0) for s in scores) > 1, max(scores))
    return [max(s - tau, 0.0) for s in scores]


def entmax15(scores: Vector) -> Vector:
    half = [s / 2 for s in scores]
    tau = threshold(lambda t: sum(max(h - t, 0.0) ** 2 for h in half) > 1, max(half))
    return [max(h - tau, 0.0) ** 2 for h in half]


NORMALIZED = {"Softmax": softmax, "Sparsemax": sparsemax, "Entmax15": entmax15}


def normalized(attention: Any, scores: Vector) -> Vector:
    return NORMALIZED[type(attention.normalizer).__name__](scores)


# scores: of one query, the states of its sentence, a position there, and the attention weights of all steps before

Score = Callable[[Any, Vector, list[Vector], int, list[Vector]], float]


def scored(score: Score, bias: Score = lambda *_: 0.0) -> Formula:
    """Return the formula: score over temperature, plus a bias, normalised; the mean of the states."""

    def attend(a: Any, queries: list[Vector], states: list[Vector]) -> list[tuple[Vector, Vector]]:
        before: list[Vector] = []
        for query in queries:
            places = [(a, query, states, place, before) for place in range(len(states))]
            energies = [score(*place) / a.temperature + bias(*place) for place in places]
            before.append(normalized(a, energies))
        return [(weights, mean(weights, states)) for weights in before]

    return attend


def general(a: Any, query: Vector, states: list[Vector], place: int, before: list[Vector]) -> float:
    return dot(query, times(a.key.weight, states[place]))


def additive(a: Any, query: Vector, state: Vector, *more: Vector) -> float:
    parts = (times(a.query.weight, query), times(a.key.weight, state), a.key.bias.tolist())
    return dot(a.vector.tolist(), [math.tanh(x) for x in total(*parts, *more)])


def location(
    a: Any, query: Vector, states: list[Vector], place: int, before: list[Vector]
) -> float:
    latest = before[-1] if before else [0.0] * len(states)
    filtered = []
    for (taps,) in a.filters.weight.tolist():
        where = [place + i - len(taps) // 2 for i in range(len(taps))]
        filtered.append(
            sum(t * latest[w] for t, w in zip(taps, where, strict=True) if 0 <= w < len(states))
        )
    return additive(a, query, states[place], times(a.location.weight, filtered))


def coverage(
    a: Any, query: Vector, states: list[Vector], place: int, before: list[Vector]
) -> float:
    covered = sum((weights[place] for weights in before), start=0.0)
    return additive(a, query, states[place], times(a.coverage.weight, [covered]))


def window(centre: float, place: int, half_width: int) -> float:
    sigma = half_width / 2
    inside = centre - half_width <= place <= centre + half_width
    return -((place - centre) ** 2) / (2 * sigma**2) if inside else -math.inf


def around_the_step(
    a: Any, query: Vector, states: list[Vector], place: int, before: list[Vector]
) -> float:
    return window(float(min(len(before), len(states) - 1)), place, a.half_width)


def around_the_prediction(
    a: Any, query: Vector, states: list[Vector], place: int, before: list[Vector]
) -> float:
    hidden = [math.tanh(x) for x in times(a.position.weight, query)]
    share = 1 / (1 + math.exp(-dot(a.vector.tolist(), hidden)))
    return window((len(states) - 1) * share, place, a.half_width)


def multi_head(a: Any, queries: list[Vector], states: list[Vector]) -> list[tuple[Vector, Vector]]:
    width = len(a.output.weight) // a.num_heads
    keys, values = ([times(m.weight, s) for s in states] for m in (a.key, a.value))
    steps = []
    for query in (times(a.query.weight, q) for q in queries):
        weights, joined = [], []
        for start in range(0, width * a.num_heads, width):
            head = slice(start, start + width)
            scale = math.sqrt(width) * a.temperature
            weights.append(normalized(a, [dot(query[head], k[head]) / scale for k in keys]))
            joined += mean(weights[-1], [v[head] for v in values])
        steps.append(([w / a.num_heads for w in total(*weights)], times(a.output.weight, joined)))
    return steps


FORMULAS: dict[str, Formula] = {
    "UniformAttention": scored(lambda *_: 0.0),
    "DotAttention": scored(lambda a, q, states, place, _: dot(q, states[place])),
    "ScaledDotAttention": scored(
        lambda a, q, states, place, _: dot(q, states[place]) / math.sqrt(len(q))
    ),
    "GeneralAttention": scored(general),
    "AdditiveAttention": scored(lambda a, q, states, place, _: additive(a, q, states[place])),
    "MultiHeadAttention": multi_head,
    "LocalMonotonicAttention": scored(general, around_the_step),
    "LocalPredictiveAttention": scored(general, around_the_prediction),
    "LocationAttention": scored(location),
    "CoverageAttention": scored(coverage),
}


def its_own_score(
    a: Attention, query: Vector, states: list[Vector], place: int, before: list[Vector]
) -> float:
    """Return the class's own score of a single query and a single state."""
    alone = torch.tensor([[states[place]]], dtype=torch.float64)
    memory = Memory(alone, torch.ones(1, 1, dtype=torch.bool), alone, alone[..., :0])
    keys = a.prepare(memory).keys
    return a.score(torch.tensor([[query]], dtype=torch.float64), keys).item()


ONE_PAIR_AT_A_TIME = scored(its_own_score)
"""For any attention that only has a score of one query and one state, a new one as well."""


def has_only_a_score(kind: type[Attention]) -> bool:
    return kind.energies is Attention.energies and kind.forward is Attention.forward


def formula_of(attention: Attention) -> Formula | None:
    """Return the loop over floats that is known for an attention: published, or its own score of single pairs."""
    kind = type(attention)
    if type(attention.normalizer).__name__ not in NORMALIZED:
        return None
    if kind.__module__.startswith("seq2seq_lab.") and kind.__name__ in FORMULAS:
        return FORMULAS[kind.__name__]
    return ONE_PAIR_AT_A_TIME if has_only_a_score(kind) else None
