"""Comparison of two values: the largest difference, and an error where it is over the tolerance."""

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

TOLERANCE = 1e-10
"""For float64; what a different order of the same sums leaves is far below."""


class PropertyBroken(AssertionError):  # noqa: N818 - what pytest shows, and what the doctor prints as its reason
    """A property does not hold; the message says in one line what was found."""


class NotApplicable(Exception):  # noqa: N818 - no error: the model has no part that the property is about
    """A property is about a part that this model does not have; the message names it."""


def demand(holds: object, reason: str) -> None:
    """Raise `PropertyBroken` with the reason unless the condition holds."""
    if not holds:
        raise PropertyBroken(reason)


def agree(
    one: object, other: object, what: str = "values", *, tolerance: float = TOLERANCE
) -> float:
    """Return how far two values are apart at most; raise `PropertyBroken` where that is over the tolerance.

    Values are tensors, numbers, or lists, tuples, dicts and dataclasses of them. The distance of two tensors is the
    largest difference, relative to the largest expected magnitude where that is over 1.
    """
    worst = 0.0
    for path, left, right in _leaves(one, other, what):
        error = _distance(left, right, path)
        demand(error <= tolerance, f"{path}: apart by {error:.1e}")
        worst = max(worst, error)
    return worst


def _leaves(one: Any, other: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, dict):
        demand(one.keys() == other.keys(), f"{path}: other names")
        for key in one:
            yield from _leaves(one[key], other[key], f"{path} {key}")
    elif isinstance(one, list | tuple):
        demand(len(one) == len(other), f"{path}: {len(one)} parts and not {len(other)}")
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _leaves(left, right, f"{path} [{index}]")
    elif is_dataclass(one) and not isinstance(one, type):
        for field in fields(one):
            name = field.name
            yield from _leaves(getattr(one, name), getattr(other, name), f"{path} {name}")
    else:
        yield path, one, other


def _distance(one: Any, other: Any, path: str) -> float:
    kinds = type(one).__name__, type(other).__name__
    demand(
        isinstance(one, Tensor) == isinstance(other, Tensor),
        f"{path}: a {kinds[0]} and not a {kinds[1]}",
    )
    if not isinstance(one, Tensor | float):
        return 0.0 if one == other else math.inf
    left, right = (
        v if isinstance(v, Tensor) else torch.tensor(v, dtype=torch.float64) for v in (one, other)
    )
    demand(left.shape == right.shape, f"{path}: {[*left.shape]} and not {[*right.shape]}")
    if not left.is_floating_point() or torch.equal(left, right):
        return 0.0 if torch.equal(left, right) else math.inf
    left, right = left.detach().double(), right.detach().double()
    apart = torch.where(left == right, 0.0, (left - right).abs())  # two infinities are equal
    if not left.numel() or bool(apart.isnan().any()):
        return math.inf if left.numel() else 0.0
    scale = torch.where(right.isfinite(), right, 0.0).abs().max().clamp(min=1.0)
    return float(apart.max() / scale)
