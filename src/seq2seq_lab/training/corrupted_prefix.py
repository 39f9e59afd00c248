"""The loss after a corrupted prefix: how much one wrong input token costs, and how soon the model recovers.

Each pair is scored twice, teacher-forced: with the reference as the decoder's input, and with one token of it replaced
by another word drawn at random. The rise of the loss is counted by distance: 0 is the step that reads the wrong token,
k the step k tokens later, which reads the reference again. What remains then is in the decoder's state (or in its
cache), not in its input.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from seq2seq_lab.batch import Batch
from seq2seq_lab.files import write_atomically
from seq2seq_lab.metrics.interval import middle, sentence_draws
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.seedwise.model import side_by_side
from seq2seq_lab.special_tokens import NUM_SPECIAL_TOKENS
from seq2seq_lab.training.scheduled_sampling.sequential import teacher_forced_logits


@dataclass(frozen=True)
class Recovery:
    """The rise of the loss in nats of each pair by distance from the corrupted token; NaN beyond a pair's end."""

    rises: Float[Tensor, "pairs distances"]

    @property
    def pairs(self) -> list[int]:
        """How many pairs reach each distance; a distance that none reaches is left out."""
        counts = self.rises.isnan().logical_not().sum(dim=0)
        return [count for count in counts.tolist() if count]

    @property
    def by_distance(self) -> list[float]:
        """The mean rise at each distance."""
        return self.rises.nanmean(dim=0)[: len(self.pairs)].tolist()

    @property
    def at(self) -> float:
        """The mean rise of the step that reads the wrong token."""
        return float(self.rises[:, 0].mean())

    @property
    def after(self) -> float:
        """The mean rise per token of the steps after it, as far as the distances go."""
        return float(self.rises[:, 1:].nanmean())

    def intervals(self) -> list[tuple[float, float]]:
        """Return the 95 % bootstrap interval over pairs of each mean rise."""
        known = self.rises.isnan().logical_not().double().numpy()
        draws, values = sentence_draws(len(known)), self.rises.nan_to_num().double().numpy()
        counts, sums = draws @ known, draws @ values
        found = []
        for place in range(len(self.pairs)):
            drawn = counts[:, place] > 0
            found.append(middle(np.divide(sums[drawn, place], counts[drawn, place])))
        return found


def corrupted(
    target_input: Int[Tensor, "batch target"],
    lengths: Int[Tensor, " batch"],
    vocab_size: int,
    generator: torch.Generator,
) -> tuple[Int[Tensor, "batch target"], Int[Tensor, " batch"]]:
    """Return the inputs with one token of each row replaced, and where; BOS stays, and so does a row that is BOS alone.

    Place and word are uniform, the word over all others of the vocabulary but the special tokens.
    """
    places, words = (torch.rand(len(lengths), generator=generator).double() for _ in range(2))
    place = 1 + (places * (lengths - 1)).long().clamp(max=lengths - 2).clamp(min=0)
    place = torch.where(lengths > 1, place, 0)
    old = target_input.gather(1, place.unsqueeze(1))[:, 0]
    others = vocab_size - NUM_SPECIAL_TOKENS - (old >= NUM_SPECIAL_TOKENS).long()
    word = NUM_SPECIAL_TOKENS + torch.minimum((words * others).long(), others - 1)
    word = word + ((old >= NUM_SPECIAL_TOKENS) & (word >= old)).long()
    word = torch.where(lengths > 1, word, old)
    return target_input.scatter(1, place.unsqueeze(1), word.unsqueeze(1)), place


@torch.no_grad()
def measure_recovery(
    model: EncoderDecoder, batches: list[Batch], vocab_size: int, distances: int = 10, seed: int = 1
) -> Recovery:
    """Return the rises of all pairs of two tokens or more (the end token counts); the model's mode does not change."""
    training = model.training
    model.eval()
    (found,) = measure_recovery_of_each(model, 1, batches, vocab_size, distances, seed)
    model.train(training)
    return found


@torch.no_grad()
def measure_recovery_of_each(
    model: EncoderDecoder,
    seeds: int,
    batches: list[Batch],
    vocab_size: int,
    distances: int = 10,
    seed: int = 1,
) -> list[Recovery]:
    """Return what `measure_recovery` returns for the model of each seed; all have the same wrong tokens."""
    generator = torch.Generator().manual_seed(seed)
    found: list[list[Tensor]] = [[] for _ in range(seeds)]
    for batch in batches:
        lengths = batch.is_target.sum(dim=1)
        inputs, place = corrupted(batch.target_input.cpu(), lengths, vocab_size, generator)
        wrong = replace(batch, target_input=inputs.to(batch.target_input.device))
        rises = (_losses(model, seeds, wrong) - _losses(model, seeds, batch)).unflatten(
            0, (seeds, -1)
        )
        steps = place.unsqueeze(1) + torch.arange(distances + 1)
        reached = steps < lengths.unsqueeze(1)
        columns = steps.clamp(max=rises.shape[2] - 1).expand(seeds, -1, -1)
        by_distance = rises.gather(2, columns).masked_fill(~reached, torch.nan)
        for own, of_seed in zip(found, by_distance[:, lengths > 1], strict=True):
            own.append(of_seed)
    return [Recovery(torch.cat(own)) for own in found]


def _losses(model: EncoderDecoder, seeds: int, batch: Batch) -> Float[Tensor, "rows target"]:
    """Return the teacher-forced loss of every step for copies of a batch, 0 on padding."""
    logits = teacher_forced_logits(model, side_by_side([batch] * seeds))
    losses = F.cross_entropy(logits, batch.targets.repeat(seeds), reduction="none")
    where = batch.is_target.repeat(seeds, 1)
    return torch.zeros(where.shape, dtype=torch.float64).masked_scatter(
        where, losses.cpu().double()
    )


def draw_recovery(path: Path, recovery: Recovery) -> None:
    """Draw the rise by distance with its interval; the PNG is written atomically."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.2), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    lows, highs = zip(*recovery.intervals(), strict=True)
    distances = range(len(lows))
    axes.fill_between(distances, lows, highs, alpha=0.25, linewidth=0)
    axes.plot(distances, recovery.by_distance, marker="o", markersize=3)
    axes.axhline(0.0, color="grey", linewidth=0.8)
    axes.set_xlabel("steps since the wrong token was read")
    axes.set_ylabel("rise of the loss (nats per token)")
    axes.set_title("Recovery from one corrupted input token")
    axes.grid(alpha=0.3)
    write_atomically(path, lambda p: figure.savefig(p, format="png"))
