"""Exposure bias: how much the loss rises when the decoder's inputs are its own predictions, not reference tokens.

The same pairs are scored at several teacher-forcing ratios, from 1 (the loss that training sees) to 0 (free running).
The gap between them, position by position, is the exposure bias (Ranzato et al. 2016).
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from seq2seq_lab.batch import Batch
from seq2seq_lab.files import write_atomically
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.seedwise.model import side_by_side
from seq2seq_lab.training.scheduled_sampling.sequential import (
    sequential_logits,
    teacher_forced_logits,
)
from seq2seq_lab.training.scheduled_sampling.unit import Token


@dataclass(frozen=True)
class Curve:
    """Loss in nats by target position at one teacher-forcing ratio: sums over pairs, and the number of pairs."""

    ratio: float
    sums: Float[Tensor, " positions"]
    counts: Float[Tensor, " positions"]

    @property
    def by_position(self) -> list[float]:
        """The mean loss at each position."""
        return (self.sums / self.counts).tolist()

    @property
    def mean(self) -> float:
        """The mean loss per token."""
        return float(self.sums.sum() / self.counts.sum())


@torch.no_grad()
def measure(
    model: EncoderDecoder, batches: list[Batch], ratios: tuple[float, ...], seed: int = 1
) -> list[Curve]:
    """Return a curve per ratio. Random draws come from a generator of their own; the model's mode does not change."""
    training = model.training
    model.eval()
    (curves,) = measure_each(model, 1, batches, ratios, seed)
    model.train(training)
    return curves


@torch.no_grad()
def measure_each(
    model: EncoderDecoder,
    seeds: int,
    batches: list[Batch],
    ratios: tuple[float, ...],
    seed: int = 1,
) -> list[list[Curve]]:
    """Return what `measure` returns for the model of each seed; `model` computes copies of a batch, one for each."""
    longest = max(batch.target_mask.shape[1] for batch in batches)
    curves: list[list[Curve]] = [[] for _ in range(seeds)]
    for ratio in ratios:
        generator = torch.Generator().manual_seed(seed)
        sums, counts = (
            torch.zeros(seeds, longest, dtype=torch.float64),
            torch.zeros(longest).double(),
        )
        for batch in batches:
            logits = _logits(model, seeds, batch, ratio, generator)
            targets = batch.targets.repeat(seeds)
            losses = F.cross_entropy(logits, targets, reduction="none")
            positions = batch.is_target.nonzero()[:, 1]
            sums.index_add_(1, positions, losses.cpu().double().view(seeds, -1))
            counts.index_add_(0, positions, torch.ones(len(positions), dtype=torch.float64))
        for own, of_seed in zip(curves, sums, strict=True):
            own.append(Curve(ratio, of_seed, counts))
    return curves


def _logits(
    model: EncoderDecoder, seeds: int, batch: Batch, ratio: float, generator: torch.Generator
) -> Tensor:
    """Return the logits of exact scheduled sampling for copies of a batch, all with the same draws."""
    copies = side_by_side([batch] * seeds)
    if ratio >= 1.0:
        return teacher_forced_logits(model, copies)
    rows, steps = batch.target_input.shape
    use_reference = Token()(rows, steps, ratio, generator).to(batch.source.device)
    return sequential_logits(model, copies, use_reference.repeat(seeds, 1))


def draw_curves(path: Path, curves: list[Curve], fewest: int) -> None:
    """Draw loss by position, one line per ratio, up to the last position that at least `fewest` pairs have.

    The PNG is written atomically.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.2), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    shades = [0.85 * i / max(len(curves) - 1, 1) for i in range(len(curves))]
    from matplotlib import colormaps

    for curve, shade in zip(curves, shades, strict=True):
        reached = int((curve.counts >= fewest).sum())
        axes.plot(
            range(1, reached + 1),
            curve.by_position[:reached],
            color=colormaps["viridis"](shade),
            label=f"{curve.ratio:g}",
        )
    axes.set_xlabel(f"target position (reached by at least {fewest} pairs)")
    axes.set_ylabel("loss (nats per token)")
    axes.set_title("Exposure bias: loss by teacher-forcing ratio")
    axes.set_ylim(bottom=0.0)
    axes.grid(alpha=0.3)
    axes.legend(title="teacher-forcing\nratio", frameon=False)
    write_atomically(path, lambda p: figure.savefig(p, format="png"))
