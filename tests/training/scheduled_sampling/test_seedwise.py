"""Scheduled sampling of several seeds: logits, gradients and all random draws are those of each run alone."""

from typing import Any

import pytest
import torch

from seq2seq_lab.batch import Batch
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.training.scheduled_sampling import seedwise
from seq2seq_lab.training.scheduled_sampling.parallel import Parallel
from seq2seq_lab.training.scheduled_sampling.sampled_token import (
    Argmax,
    Mixture,
    Sample,
    StraightThroughGumbel,
    TopK,
)
from seq2seq_lab.training.scheduled_sampling.seedwise import has_seedwise_form, sampled_logits
from seq2seq_lab.training.scheduled_sampling.sequential import Sequential
from seq2seq_lab.training.scheduled_sampling.unit import Sequence, WholeBatch
from support import tiny_transformers
from support.seedwise import DEFAULT, OWN, SAME, compare_with_each_alone, models_of, some_of
from support.tiny_models import Choice, covering_choices, make_model

TOKENS = (Argmax(), Sample(), TopK(3), Mixture(), StraightThroughGumbel())
RATIOS = (0.5, 0.2, 0.7)


def samplers() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(100 + seed) for seed in range(3)]


def equals_each_alone(
    models: list[EncoderDecoder],
    batches: list[Batch],
    sampling: Any,
    ratios: tuple[float, ...] = RATIOS,
) -> None:
    own, common = samplers(), samplers()
    compare_with_each_alone(
        models,
        batches,
        lambda together, generators: sampled_logits(
            together, batches, [sampling] * 3, ratios, common, generators
        ),
        lambda seed: sampling(models[seed], batches[seed], ratios[seed], own[seed]),
    )
    for one, other in zip(own, common, strict=True):
        assert torch.equal(one.get_state(), other.get_state())


@pytest.mark.parametrize("batches", [SAME, OWN], ids=["same", "own"])
@pytest.mark.parametrize("token", TOKENS, ids=lambda token: type(token).__name__)
@pytest.mark.parametrize("kind", [Sequential, Parallel])
def test_every_sampled_token(kind, token, batches):
    equals_each_alone(models_of(DEFAULT, 0.3), batches, kind(sampled_token=token))


@pytest.mark.parametrize("unit", [Sequence(), WholeBatch()])
@pytest.mark.parametrize("kind", [Sequential, Parallel])
def test_every_unit(kind, unit):
    equals_each_alone(models_of(DEFAULT, 0.3), OWN, kind(unit=unit, sampled_token=Sample()))


@some_of([*covering_choices(1)[::6], *tiny_transformers.transformer_choices()[::9]], 5)
@pytest.mark.parametrize("kind", [Sequential, Parallel])
def test_every_model(kind, choice):
    make: Any = make_model if isinstance(choice, Choice) else tiny_transformers.make
    models = [make(choice, seed, 0.3) for seed in (1, 2, 3)]
    equals_each_alone(models, OWN, kind(sampled_token=Sample()))


def test_as_many_passes_as_steps():
    parallel = Parallel(sampled_token=Sample(), passes=8)
    equals_each_alone(models_of(DEFAULT, 0.3), OWN, parallel)


@pytest.mark.parametrize("ratios", [(0.0,) * 3, (1 - 1e-12,) * 3], ids=["all", "nothing"])
def test_all_inputs_are_sampled_or_none(ratios):
    equals_each_alone(models_of(DEFAULT, 0.3), OWN, Parallel(), ratios)
    equals_each_alone(models_of(DEFAULT, 0.3), OWN, Sequential(), ratios)


def test_which_have_a_seedwise_form():
    class Own(Argmax):
        """An extension's: may do anything."""

    assert all(has_seedwise_form(Parallel(sampled_token=token), 0.5) for token in TOKENS)
    assert not has_seedwise_form(Sequential(sampled_token=Own()), 0.5)
    assert has_seedwise_form(Sequential(sampled_token=Own()), 1.0)

    class OwnSampling(Parallel):
        """So may this."""

    assert not has_seedwise_form(OwnSampling(), 1.0)


class NeighboursSamples(seedwise._Draw):
    """Planted: samples come from another seed's generator."""

    def sample(self, seed, logits):
        return super().sample(seed - 1, logits)


@pytest.mark.parametrize("kind", [Sequential, Parallel])
def test_planted_samples_by_a_neighbours_generator_are_caught(kind, monkeypatch):
    monkeypatch.setattr(seedwise, "_Draw", NeighboursSamples)
    with pytest.raises(AssertionError):
        equals_each_alone(models_of(DEFAULT, 0.0), OWN, kind(sampled_token=Sample()))


class SamplesOfPadding(seedwise._StepTokens):
    """Planted: a seed whose batch has ended draws on."""

    def sample(self, logits, generator):
        for own in self._draw.samplers:
            torch.rand(1, generator=own)
        return super().sample(logits, generator)


def test_planted_draws_for_padding_are_caught(monkeypatch):
    monkeypatch.setattr(seedwise, "_StepTokens", SamplesOfPadding)
    with pytest.raises(AssertionError):
        equals_each_alone(models_of(DEFAULT, 0.0), OWN, Sequential(sampled_token=Sample()))
