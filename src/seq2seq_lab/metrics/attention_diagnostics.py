"""Attention diagnostics of a corpus: entropy, monotonicity, coverage and distance from uniform.

Weights are those of one head, (batch, target, source), with masks that are True on real tokens. A step's weights are
divided by their sum where a distribution is meant (those of local attention sum to less than 1); a step without any
weight is left out. Everything is computed in 64 bits.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

_SAME = 1e-6
"""Expected positions that differ by less are equal: rounding of 32-bit weights must not look like a movement."""


@dataclass(frozen=True)
class Mean:
    """A sum and how many things it sums, so that batches and heads add up."""

    total: float
    count: int

    def __add__(self, other: "Mean") -> "Mean":
        return Mean(self.total + other.total, self.count + other.count)

    @property
    def value(self) -> float:
        """The mean; not a number where there was nothing."""
        return self.total / self.count if self.count else float("nan")


def distributions(
    weights: Float[Tensor, "batch target source"], source_mask: Bool[Tensor, "batch source"]
) -> Float[Tensor, "batch target source"]:
    """Return each step's weights as a distribution over the real positions; all 0 where there is no weight."""
    real = weights.double() * source_mask.unsqueeze(1)
    total = real.sum(dim=-1, keepdim=True)
    return torch.where(total > 0, real / total, 0.0)


def entropy(weights: Float[Tensor, "batch target source"]) -> Float[Tensor, "batch target"]:
    """Return the entropy of each step in nats: 0 for one position alone, ln(length) for all alike."""
    return torch.special.entr(weights).sum(dim=-1)


def divergence_from_uniform(
    weights: Float[Tensor, "batch target source"], source_mask: Bool[Tensor, "batch source"]
) -> Float[Tensor, "batch target"]:
    """Return KL(weights || uniform over the real positions) of each step in nats: 0 for the null model."""
    return source_mask.sum(dim=-1, keepdim=True).double().log() - entropy(weights)


def expected_positions(
    weights: Float[Tensor, "batch target source"],
) -> Float[Tensor, "batch target"]:
    """Return the mean source position of each step, counted from 0."""
    positions = torch.arange(weights.shape[-1]).to(weights)
    return (weights * positions).sum(dim=-1)


def forward_steps(
    expected: Float[Tensor, "batch target"], steps: Bool[Tensor, "batch target"]
) -> tuple[Bool[Tensor, "batch moves"], Bool[Tensor, "batch moves"]]:
    """Return which moves to the next step do not go back in the source, and which moves there are."""
    goes_on = expected[:, 1:] >= expected[:, :-1] - _SAME
    moves = steps[:, 1:] & steps[:, :-1]
    return goes_on & moves, moves


def kendall_tau(
    expected: Float[Tensor, "batch target"], steps: Bool[Tensor, "batch target"]
) -> tuple[Float[Tensor, " batch"], Bool[Tensor, " batch"]]:
    """Return Kendall's tau-a between step and expected position, and the sentences of two steps or more.

    (pairs in order - pairs in reverse) / all pairs: 1 reads forward, -1 backward, 0 stays (Kendall 1938).
    """
    difference = expected.unsqueeze(1) - expected.unsqueeze(
        2
    )  # [b, i, j]: position of j - position of i
    signs = difference.sign() * (difference.abs() > _SAME)
    pairs = (steps.unsqueeze(1) & steps.unsqueeze(2)).triu(diagonal=1)
    count = pairs.sum(dim=(1, 2))
    return (signs * pairs).sum(dim=(1, 2)) / count.clamp(min=1), count > 0


def received(
    weights: Float[Tensor, "batch target source"], target_mask: Bool[Tensor, "batch target"]
) -> Float[Tensor, "batch source"]:
    """Return what each source position received over all real steps."""
    return (weights.double() * target_mask.unsqueeze(2)).sum(dim=1)


def diagnose(
    weights: Float[Tensor, "batch target source"],
    source_mask: Bool[Tensor, "batch source"],
    target_mask: Bool[Tensor, "batch target"],
    threshold: float = 0.5,
) -> dict[str, Mean]:
    """Return every figure by name.

    `entropy` (nats), `normalized_entropy` (over ln of the source length, sources of one token left out) and
    `kl_to_uniform` (nats) are means over steps; `monotonicity` is the share of moves from one step to the next whose
    expected position does not go back; `kendall_tau` a mean over sentences; `coverage` the share of source positions
    that received more than `threshold` in all, and `coverage_deviation` the mean of |received x source length / target
    length - 1| over them (0: all equally much).
    """
    normalized = distributions(weights, source_mask)
    steps = target_mask & (normalized.sum(dim=-1) > 0)
    nats, expected = entropy(normalized), expected_positions(normalized)
    sizes = source_mask.sum(dim=-1, keepdim=True).double()
    longer = steps & (sizes > 1)
    goes_on, moves = forward_steps(expected, steps)
    tau, counted = kendall_tau(expected, steps)
    got = received(weights, target_mask)
    share = sizes / target_mask.sum(dim=-1, keepdim=True).clamp(min=1)
    return {
        "entropy": _mean(nats, steps),
        "normalized_entropy": _mean(nats / sizes.log(), longer),
        "kl_to_uniform": _mean(divergence_from_uniform(normalized, source_mask), steps),
        "monotonicity": _mean(goes_on, moves),
        "kendall_tau": _mean(tau, counted),
        "coverage": _mean(got > threshold, source_mask),
        "coverage_deviation": _mean((got * share - 1).abs(), source_mask),
    }


def alignment_error(
    weights: Float[Tensor, "batch target source"],
    sure: Bool[Tensor, "batch target source"],
    possible: Bool[Tensor, "batch target source"],
    steps: Bool[Tensor, "batch target"],
) -> dict[str, Mean]:
    """Compare the position with the most weight of each step with a gold alignment (Och and Ney 2003).

    With A the links of the steps, S the sure and P the possible gold links (which hold S): `alignment_error` is
    1 - (|A and S| + |A and P|) / (|A| + |S|), `alignment_precision` |A and P| / |A|, `alignment_recall`
    |A and S| / |S|. A step without any weight has no link. With one link a step, the recall of a gold alignment that
    has several is below 1 at best.
    """
    best = weights.argmax(dim=-1, keepdim=True)
    linked = torch.zeros_like(sure).scatter(-1, best, value=True)
    linked &= (steps & (weights.sum(dim=-1) > 0)).unsqueeze(-1)
    links, wanted = int(linked.sum()), int(sure.sum())
    in_sure, in_possible = int((linked & sure).sum()), int((linked & (sure | possible)).sum())
    missed = float(links + wanted - in_sure - in_possible)
    return {
        "alignment_error": Mean(missed, links + wanted),
        "alignment_precision": Mean(float(in_possible), links),
        "alignment_recall": Mean(float(in_sure), wanted),
    }


def _mean(values: Tensor, where: Tensor) -> Mean:
    return Mean(float(values[where].double().sum()), int(where.sum()))
