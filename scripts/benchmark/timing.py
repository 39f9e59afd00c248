"""Interleaved timing: competitors take turns in short blocks, so that a disturbed machine disturbs them all."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import torch


@dataclass(frozen=True)
class Rate:
    """Units of work per second over the blocks: median and quartiles."""

    median: float
    low: float
    high: float
    blocks: tuple[float, ...]

    @staticmethod
    def of(blocks: Sequence[float]) -> "Rate":
        """Summarise the blocks."""
        quartiles = (
            statistics.quantiles(blocks, n=4, method="inclusive")
            if len(blocks) > 1
            else [blocks[0]] * 3
        )
        return Rate(statistics.median(blocks), quartiles[0], quartiles[2], tuple(blocks))


@dataclass(frozen=True)
class Competitor:
    """Something that does work on items; `size` counts the units of work in an item."""

    name: str
    run: Callable[[Any], object]
    items: Sequence[Any]
    size: Callable[[Any], float]


def wait_for_device() -> None:
    """Wait until an accelerator has done what was given to it."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def interleaved(
    competitors: list[Competitor], rounds: int, steps: int, warm_up: int = 2
) -> dict[str, Rate]:
    """Run blocks of `steps` items each, A B C then C B A, and return the rate of each competitor."""
    streams = {one.name: cycle(one.items) for one in competitors}
    rates: dict[str, list[float]] = {one.name: [] for one in competitors}

    def block(one: Competitor, count: int) -> float:
        items = list(islice(streams[one.name], count))
        wait_for_device()
        begin = time.perf_counter()
        for item in items:
            one.run(item)
        wait_for_device()
        return sum(map(one.size, items)) / (time.perf_counter() - begin)

    for one in competitors:
        block(one, warm_up)
    for turn in range(rounds):
        for one in competitors if turn % 2 == 0 else competitors[::-1]:
            rates[one.name].append(block(one, steps))
    return {name: Rate.of(blocks) for name, blocks in rates.items()}


def ratio(one: Rate, other: Rate) -> Rate:
    """Return the rates of one over those of another, round by round."""
    return Rate.of([a / b for a, b in zip(one.blocks, other.blocks, strict=True)])


def product_competitor(size: int = 2048, device: str = "cpu") -> Competitor:
    """Return the machine's own product of two large matrices, in operations per second."""
    matrix = torch.randn(size, size, device=device)
    return Competitor(
        "matrix product", lambda _: torch.mm(matrix, matrix), [None], lambda _: 2.0 * size**3
    )
