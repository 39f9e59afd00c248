"""Scheduled sampling step by step (Bengio et al. 2015): each sampled token enters the very next step."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seq2seq_lab.batch import Batch, pick
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.training.scheduled_sampling.sampled_token import Argmax, SampledToken
from seq2seq_lab.training.scheduled_sampling.schedule import Constant
from seq2seq_lab.training.scheduled_sampling.unit import Token

Schedule = Callable[[int, int], float]
"""(optimizer step, epoch) -> teacher-forcing ratio."""
Unit = Callable[[int, int, float, torch.Generator], Tensor]
"""(batch, steps, ratio, generator) -> True where the reference token is the input."""
ALWAYS, TOKEN, ARGMAX = Constant(1.0), Token(), Argmax()


def teacher_forced_logits(model: EncoderDecoder, batch: Batch) -> Float[Tensor, "tokens vocab"]:
    """Return `model(...)` of the batch: the logits of the real positions, row by row."""
    return model(batch.source, batch.source_lengths, batch.target_input, batch.places)


def sequential_logits(
    model: EncoderDecoder,
    batch: Batch,
    use_reference: Bool[Tensor, "batch target"],
    sampled_token: SampledToken = ARGMAX,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "tokens vocab"]:
    """Return the logits of the real positions from a loop over the steps.

    The input of a step is the reference token where `use_reference` is True, else what `sampled_token` makes of the
    logits of the step before. The first input is BOS in either case.
    """
    decoder = model.decoder
    state = model.initial_state(model.encode(batch.source, batch.source_lengths))
    references, loop = decoder.embed(batch.target_input), decoder.packed()
    steps: list[Tensor] = []
    for position, reference in enumerate(references.unbind(1)):
        embedded = reference
        if position:
            sample = sampled_token.embed(decoder, sampled_token.sample(steps[-1], generator))
            embedded = torch.where(use_reference[:, position, None], reference, sample)
        logits, state = loop.step_embedded(embedded, state)
        steps.append(logits)
    return pick(torch.stack(steps, dim=1), batch.places)


class Sequential:
    """Exact scheduled sampling: one decoder step at a time. A ratio of 1 is teacher forcing, all steps at once."""

    def __init__(
        self, schedule: Schedule = ALWAYS, unit: Unit = TOKEN, sampled_token: SampledToken = ARGMAX
    ):
        self.schedule, self.unit, self.sampled_token = schedule, unit, sampled_token

    def __call__(
        self, model: EncoderDecoder, batch: Batch, ratio: float, generator: torch.Generator
    ) -> Float[Tensor, "tokens vocab"]:
        """Return the logits of the real target positions; all random draws come from `generator` (CPU)."""
        if ratio >= 1.0:
            return teacher_forced_logits(model, batch)
        rows, steps = batch.target_input.shape
        use_reference = self.unit(rows, steps, ratio, generator)
        use_reference = use_reference.to(batch.source.device, non_blocking=True)
        return sequential_logits(model, batch, use_reference, self.sampled_token, generator)
