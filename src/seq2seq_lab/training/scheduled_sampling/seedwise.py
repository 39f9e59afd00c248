"""Scheduled sampling of several seeds at once: the one-model forms over all rows, each seed with its own draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seq2seq_lab.batch import Batch, pick
from seq2seq_lab.model.seedwise.model import Seedwise, padded_together
from seq2seq_lab.training.scheduled_sampling.parallel import Parallel, parallel_logits
from seq2seq_lab.training.scheduled_sampling.sampled_token import (
    Argmax,
    Mixture,
    Sample,
    SampledToken,
    StraightThroughGumbel,
    TopK,
)
from seq2seq_lab.training.scheduled_sampling.sequential import Sequential, sequential_logits

_TOKENS = (Argmax, Sample, TopK, Mixture, StraightThroughGumbel)


def has_seedwise_form(sampling: Any, ratio: float) -> bool:
    """Tell whether the rows of a batch meet nowhere in this scheduled sampling; an extension's may do anything."""
    is_known = type(sampling) in (Sequential, Parallel)
    return is_known and (ratio >= 1.0 or type(sampling.sampled_token) in _TOKENS)


def sampled_logits(
    models: Seedwise,
    batches: Sequence[Batch],
    samplings: Sequence[Sequential | Parallel],
    ratios: Sequence[float],
    samplers: Sequence[torch.Generator],
    generators: Sequence[torch.Generator] | None = None,
) -> list[Tensor]:
    """Return what `samplings[s]` gives model s for its batch at `ratios[s]`, all below 1: logits (tokens, vocab).

    The samplings are equal but for their units, which may count. Seed s draws its inputs from `samplers[s]` (CPU),
    its dropout from `generators[s]`.
    """
    folded = models.begin(batches, generators)
    draw = _Draw(models, batches, samplings, samplers)
    masks = [
        one.unit(len(batch), batch.target_input.shape[1], ratio, sampler)
        for one, batch, ratio, sampler in zip(samplings, batches, ratios, samplers, strict=True)
    ]
    use_reference, first = padded_together(masks, fill=True), samplings[0]
    if isinstance(first, Parallel):
        picked = _PickedTokens(draw)
        model = _Model(models, picked)
        flat = parallel_logits(model, folded, use_reference, picked, None, first.passes)
    else:
        use_reference = use_reference.to(folded.source.device, non_blocking=True)
        flat = sequential_logits(models.model, folded, use_reference, _StepTokens(draw))
    return list(flat.split([batch.num_target_tokens for batch in batches]))


@dataclass
class _Draw:
    """What each seed draws, and from which generator."""

    models: Seedwise
    batches: Sequence[Batch]
    samplings: Sequence[Sequential | Parallel]
    samplers: Sequence[torch.Generator]

    def sample(self, seed: int, logits: Tensor) -> Tensor:
        """Return the sample of one seed."""
        return self.samplings[seed].sampled_token.sample(logits, self.samplers[seed])

    def embed(self, decoder: Any, sample: Tensor) -> Tensor:
        """Return the decoder's input for the samples of all seeds, equally many of each."""
        return self.samplings[0].sampled_token.embed(decoder, sample)


class _StepTokens(SampledToken):
    """The samples of a loop over the steps; a seed whose batch has ended draws nothing."""

    def __init__(self, draw: _Draw) -> None:
        self._draw, self._position = draw, 0

    def sample(self, logits: Tensor, generator: torch.Generator | None) -> Tensor:  # noqa: ARG002
        """Return the samples after a step, zeros for the rows of padding."""
        self._position += 1
        self._draw.models.target.step = self._position
        shapes = [batch.target_input.shape for batch in self._draw.batches]
        parts = logits.unflatten(0, (len(shapes), -1))
        made = {
            seed: self._draw.sample(seed, parts[seed, :rows])
            for seed, (rows, steps) in enumerate(shapes)
            if self._position < steps
        }
        return _with_padding(made, parts.shape[0], parts.shape[1]).flatten(0, 1)

    def embed(self, decoder: Any, sample: Tensor) -> Tensor:
        """Return their embeddings."""
        return self._draw.embed(decoder, sample)


class _PickedTokens(SampledToken):
    """The samples at the picked positions, of which seed s has `counts[s]`."""

    def __init__(self, draw: _Draw) -> None:
        self._draw, self.counts = draw, [0] * len(draw.batches)

    def sample(self, logits: Tensor, generator: torch.Generator | None) -> Tensor:  # noqa: ARG002
        """Return the samples, seed by seed."""
        return torch.cat([self._draw.sample(*one) for one in enumerate(logits.split(self.counts))])

    def embed(self, decoder: Any, sample: Tensor) -> Tensor:
        """Return their embeddings, seed by seed."""
        parts = dict(enumerate(sample.split(self.counts)))
        padded = _with_padding(parts, len(parts), max(*self.counts, 1))
        with self._draw.models.target.of([(count, 1) for count in self.counts]):
            made = self._draw.embed(decoder, padded.flatten(0, 1)).unflatten(0, padded.shape[:2])
        return torch.cat([own[:count] for own, count in zip(made, self.counts, strict=True)])


def _with_padding(parts: dict[int, Tensor], seeds: int, rows: int) -> Tensor:
    """Return (seeds, rows, ...) with the rows of these seeds, else zeros."""
    some = next(iter(parts.values()))
    made = some.new_zeros(seeds, rows, *some.shape[1:])
    for seed, part in parts.items():
        made[seed, : len(part)] = part
    return made


class _Model:
    """The model of all seeds, whose decoder gives logits at picked positions, as many of each seed as it has."""

    def __init__(self, models: Seedwise, picked: _PickedTokens) -> None:
        self._models, self._picked = models, picked
        self.encode, self.decoder = models.model.encode, self
        self.embed, self.mix = models.model.decoder.embed, models.model.decoder.mix

    def __call__(self, embedded: Tensor, memory: Any, places: Tensor) -> Tensor:
        seeds, (rows, steps) = len(self._picked.counts), embedded.shape[:2]
        of_seed = places // (rows // seeds * steps)
        self._picked.counts = torch.bincount(of_seed, minlength=seeds).tolist()
        readouts = self._models.model.decoder.readouts(embedded, memory)
        return torch.cat(self._models.output(pick(readouts, places), self._picked.counts))
