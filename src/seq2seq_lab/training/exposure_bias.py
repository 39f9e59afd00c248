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
from seq2seq_lab.training.scheduled_sampling.sequential import Sequential


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
    longest = max(batch.target_mask.shape[1] for batch in batches)
    curves = []
    for ratio in ratios:
        generator = torch.Generator().manual_seed(seed)
        sums, counts = torch.zeros(2, longest, dtype=torch.float64)
        for batch in batches:
            logits = Sequential()(model, batch, ratio, generator)
            losses = F.cross_entropy(
                logits, batch.target_output[batch.target_mask], reduction="none"
            )
            positions = batch.target_mask.nonzero()[:, 1].cpu()
            sums.index_add_(0, positions, losses.cpu().double())
            counts.index_add_(0, positions, torch.ones(len(positions), dtype=torch.float64))
        curves.append(Curve(ratio, sums, counts))
    model.train(training)
    return curves


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
