"""Batches of pairs of similar length, by number of sentences or by tokens.

Both ways shuffle with a seed, sort by length (stable, so ties stay shuffled), cut, and shuffle the batches. The
result is a function of (lengths, seed, epoch) alone: not of workers, ranks, or what was drawn before.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Int
from torch import Tensor


class Batching(Protocol):
    """Cuts a sorted order of pairs into batches."""

    def cut(self, order: Tensor, source_lengths: Tensor, target_lengths: Tensor) -> list[Tensor]:
        """Return index tensors that together hold `order`."""
        ...


@dataclass(frozen=True)
class BySentences:
    """Batches of `batch_size` pairs."""

    batch_size: int = 64

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size}: must be >= 1")

    def cut(
        self,
        order: Int[Tensor, " pairs"],
        source_lengths: Int[Tensor, " all"],  # noqa: ARG002
        target_lengths: Int[Tensor, " all"],  # noqa: ARG002
    ) -> list[Int[Tensor, " batch"]]:
        """Cut after every `batch_size` pairs; the last batch may be smaller."""
        return list(order.split(self.batch_size)) if len(order) else []


@dataclass(frozen=True)
class ByTokens:
    """Batches of as many pairs as fit: rows x longest row, padding included, stays within the limit on both sides."""

    max_tokens: int = 2048

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens={self.max_tokens}: must be >= 1")

    def cut(
        self,
        order: Int[Tensor, " pairs"],
        source_lengths: Int[Tensor, " all"],
        target_lengths: Int[Tensor, " all"],
    ) -> list[Int[Tensor, " batch"]]:
        """Cut before the limit is passed; a pair longer than the limit gets a batch of its own."""
        lengths = torch.maximum(source_lengths, target_lengths)[order].tolist()
        batches, start, longest = [], 0, 0
        for end, length in enumerate(lengths):
            if end > start and (end - start + 1) * max(longest, length) > self.max_tokens:
                batches.append(order[start:end])
                start, longest = end, 0
            longest = max(longest, length)
        return [*batches, order[start:]] if start < len(order) else batches


def training_batches(
    batching: Batching,
    source_lengths: Int[Tensor, " pairs"],
    target_lengths: Int[Tensor, " pairs"],
    *,
    seed: int,
    epoch: int,
) -> list[Int[Tensor, " batch"]]:
    """Return the batches of one epoch: every pair once, similar lengths together, in random order."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    order = torch.randperm(len(source_lengths), generator=generator)
    order = order[by_length(source_lengths[order], target_lengths[order])]
    batches = batching.cut(order, source_lengths, target_lengths)
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def evaluation_batches(
    batching: Batching, source_lengths: Int[Tensor, " pairs"], target_lengths: Int[Tensor, " pairs"]
) -> list[Int[Tensor, " batch"]]:
    """Return batches in order of length; every pair once, always the same."""
    order = by_length(source_lengths, target_lengths)
    return batching.cut(order, source_lengths, target_lengths)


def by_length(source_lengths: Tensor, target_lengths: Tensor) -> Tensor:
    """Stable order by target length, then source length."""
    width = int(source_lengths.max()) + 1 if len(source_lengths) else 1
    return torch.argsort(target_lengths.long() * width + source_lengths, stable=True)


class BatchOrder:
    """The loader's sampler: yields the index tensors of one epoch, shared out over the ranks.

    Every rank gets equally many batches. In training the first ones fill up the last round; in evaluation empty ones
    do, so that every pair is used exactly once. `start_at` is the epoch that comes first and how many of its batches
    are left out because an earlier session trained on them.
    """

    def __init__(
        self,
        batching: Batching,
        source_lengths: Int[Tensor, " pairs"],
        target_lengths: Int[Tensor, " pairs"],
        *,
        seed: int,
        training: bool,
        rank: int = 0,
        world_size: int = 1,
        start_at: tuple[int, int] = (0, 0),
    ):
        self.batching, self.lengths = batching, (source_lengths, target_lengths)
        self.seed, self.training = seed, training
        self.rank, self.world_size = rank, world_size
        self.start_at = start_at
        self.epoch = start_at[0]
        self._made: tuple[int, list[Tensor]] | None = None

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next order; Lightning calls this before each one."""
        self.epoch = epoch

    def _batches(self) -> list[Tensor]:
        if self._made is None or (self.training and self._made[0] != self.epoch):
            if self.training:
                batches = training_batches(
                    self.batching, *self.lengths, seed=self.seed, epoch=self.epoch
                )
                missing = -len(batches) % self.world_size
                batches += (batches * self.world_size)[:missing]
            else:
                batches = evaluation_batches(self.batching, *self.lengths)
                nothing = torch.zeros(0, dtype=torch.long)
                batches += [nothing] * (-len(batches) % self.world_size)
            self._made = (self.epoch, batches[self.rank :: self.world_size])
        return self._made[1]

    def __iter__(self):
        first, done = self.start_at
        return iter(self._batches()[done if self.epoch == first else 0 :])

    def __len__(self) -> int:
        return len(self._batches())
