"""Parallel scheduled sampling (Mihaylova and Martins 2019): a few passes over all steps at once.

Each pass predicts every position, puts sampled tokens in by the same draws, and runs again. With as many passes as
there are steps, the inputs are those of sequential scheduled sampling.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seq2seq_lab.batch import Batch, places_of
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.training.scheduled_sampling.sampled_token import SampledToken
from seq2seq_lab.training.scheduled_sampling.sequential import (
    ALWAYS,
    ARGMAX,
    TOKEN,
    Schedule,
    Unit,
    teacher_forced_logits,
)


def parallel_logits(
    model: Any,
    batch: Batch,
    use_reference: Bool[Tensor, "batch target"],
    sampled_token: SampledToken,
    generator: torch.Generator | None,
    passes: int,
) -> Float[Tensor, "tokens vocab"]:
    """Return the logits of the real positions from the last of so many passes over all steps.

    `model` is an `EncoderDecoder` or what has its `encode` and `decoder`. `use_reference` lies on the CPU.
    """
    replaced = ~use_reference & batch.is_target
    replaced[:, 0] = False
    sampled_at, predicted_at = (
        places_of(mask).to(batch.source.device, non_blocking=True)
        # an input is predicted one step earlier
        for mask in (replaced, replaced.roll(-1, dims=1))
    )
    memory = model.encode(batch.source, batch.source_lengths)
    references = embedded = model.decoder.embed(batch.target_input)
    for _ in range(passes - 1):
        with torch.no_grad():
            logits = model.decoder(embedded, memory, predicted_at)
            sample = sampled_token.sample(logits, generator)
        sampled = sampled_token.embed(model.decoder, sample)
        mixed = references.flatten(0, 1).index_copy(0, sampled_at, sampled.to(references))
        embedded = mixed.view_as(references)
    return model.decoder(embedded, memory, batch.places)


class Parallel:
    """`passes` runs over all steps, each with the predictions of the run before; the gradient is that of the last."""

    def __init__(
        self,
        schedule: Schedule = ALWAYS,
        unit: Unit = TOKEN,
        sampled_token: SampledToken = ARGMAX,
        passes: int = 2,
    ):
        if passes < 2:
            raise ValueError(
                f"passes={passes}: must be >= 2; one pass is training/scheduled_sampling/schedule=always"
            )
        self.schedule, self.unit, self.sampled_token = schedule, unit, sampled_token
        self.passes = passes

    def __call__(
        self, model: EncoderDecoder, batch: Batch, ratio: float, generator: torch.Generator
    ) -> Float[Tensor, "tokens vocab"]:
        """Return the logits of the real target positions; all random draws come from `generator` (CPU)."""
        if ratio >= 1.0:
            return teacher_forced_logits(model, batch)
        rows, steps = batch.target_input.shape
        use_reference = self.unit(rows, steps, ratio, generator)
        return parallel_logits(
            model, batch, use_reference, self.sampled_token, generator, self.passes
        )
