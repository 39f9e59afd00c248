"""Several models at once: each one's logits and gradients are those of its model alone, dropout included."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from seq2seq_lab.batch import Batch
from seq2seq_lab.model.attention import GeneralAttention
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.kernel import padded_lstm
from seq2seq_lab.model.kernel.linear import prefers_onednn
from seq2seq_lab.model.normalizer import Softmax
from seq2seq_lab.model.seedwise import products
from seq2seq_lab.model.seedwise.draws import Draws
from seq2seq_lab.model.seedwise.model import Seedwise
from seq2seq_lab.training.loss import negative_log_likelihood
from seq2seq_lab.training.scheduled_sampling.sampled_token import (
    Argmax,
    Mixture,
    Sample,
    StraightThroughGumbel,
)
from seq2seq_lab.training.scheduled_sampling.sequential import (
    sequential_logits,
    teacher_forced_logits,
)
from support import tiny_transformers
from support.tiny_models import Choice, covering_choices, make_batch, make_model

SAME = [make_batch()] * 3
OWN = [
    make_batch((4, 1, 2), (2, 6, 4), 1),
    make_batch((2, 3), (1, 7), 2),
    make_batch((1, 2, 5, 3), (3, 1, 2, 2), 3),
]
DEFAULT = Choice(
    "lstm",
    "general",
    "linear",
    "initial_state",
    "after",
    "state_context",
    False,
    "forward",
    (1, 1),
    (6, 6),
)


def alone(
    model: EncoderDecoder, batch: Batch, seed: int, token: Any
) -> tuple[Tensor, dict[str, Tensor | None]]:
    """Return a model's own logits and gradients, by the loop over the steps where there is a sampled token."""
    torch.manual_seed(seed)
    logits = (
        sequential_logits(model, batch, mask_of(batch, seed), token, sampler(seed))
        if token
        else teacher_forced_logits(model, batch)
    )
    model.zero_grad()
    loss_of(logits, batch).backward()
    return logits.detach(), {name: p.grad for name, p in model.named_parameters()}


def mask_of(batch: Batch, seed: int) -> Tensor:
    return torch.rand(batch.target_input.shape, generator=sampler(seed)) < 0.5


def sampler(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(100 + seed)


def loss_of(logits: Tensor, batch: Batch) -> Tensor:
    return negative_log_likelihood(logits, batch.target_output[batch.target_mask])


def equals_each_alone(
    models: Sequence[EncoderDecoder], batches: Sequence[Batch], token: Any = None, **within: float
) -> None:
    """Compare logits and gradients; the draws of seed s begin at the state of `torch.manual_seed(s)`."""
    seedwise, seeds = Seedwise(models), range(len(models))
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    if token:
        masks = [mask_of(batch, seed) for seed, batch in enumerate(batches)]
        samplers = [sampler(seed) for seed in seeds]
        logits = seedwise.sequential_logits(batches, masks, token, samplers, generators)
    else:
        logits = seedwise.logits(batches, generators)
    torch.stack([loss_of(*pair) for pair in zip(logits, batches, strict=True)]).sum().backward()
    within = within or {"rtol": 1e-10, "atol": 1e-10}
    for seed, found in zip(seeds, seedwise.gradients(), strict=True):
        expected, gradients = alone(models[seed], batches[seed], seed, token)
        torch.testing.assert_close(logits[seed].detach(), expected, **within)
        for (name, gradient), own in zip(gradients.items(), found, strict=True):
            assert (gradient is None) == (own is None), name
            if own is not None:
                torch.testing.assert_close(
                    own, gradient, **within, msg=lambda m, n=name: f"{n} {m}"
                )


def models_of(choice: Choice, dropout: float) -> list[EncoderDecoder]:
    return [make_model(choice, seed, dropout).train() for seed in (1, 2, 3)]


@pytest.mark.parametrize("batches", [SAME, OWN], ids=["same", "own"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_default_model(batches, dropout):
    equals_each_alone(models_of(DEFAULT, dropout), batches)


def some_of(choices: Sequence[Any], every: int) -> pytest.MarkDecorator:
    """Parametrize by the choices, all but one in so many in `make slow`."""
    chosen = [
        pytest.param(one, marks=pytest.mark.slow if number % every else [])
        for number, one in enumerate(choices)
    ]
    return pytest.mark.parametrize("choice", chosen, ids=str)


@some_of(covering_choices(1), 4)
def test_every_recurrent_model(choice):
    equals_each_alone(models_of(choice, 0.3), OWN)


@some_of(tiny_transformers.transformer_choices(), 8)
def test_every_transformer(choice):
    equals_each_alone([tiny_transformers.make(choice, seed, 0.3) for seed in (1, 2, 3)], OWN)


def test_tied_embeddings():
    models = models_of(replace(DEFAULT, widths=(5, 5)), 0.3)
    for model in models:
        model._tie(model.decoder, "output", "model.tie_output", model.decoder.output)
    equals_each_alone(models, OWN)


@some_of([*covering_choices(1)[::6], *tiny_transformers.transformer_choices()[::9]], 5)
@pytest.mark.parametrize("token", [Argmax(), Sample()], ids=["argmax", "sample"])
def test_scheduled_sampling_step_by_step(choice, token):
    is_recurrent = isinstance(choice, Choice)
    make = make_model if is_recurrent else tiny_transformers.make
    equals_each_alone([make(choice, seed, 0.3) for seed in (1, 2, 3)], OWN, token)


@pytest.mark.parametrize("token", [Mixture(), StraightThroughGumbel()], ids=["mixture", "gumbel"])
def test_scheduled_sampling_with_mixtures(token):
    equals_each_alone(models_of(DEFAULT, 0.3), OWN, token)


FULL_ROWS = make_batch((7,) * 24, (7,) * 24, 1)
RAGGED = make_batch((7, *[1] * 25), (6, *[3] * 25), 2)
WIDE = replace(DEFAULT, layers=(2, 2), widths=(128, 128))


@pytest.mark.parametrize("reading", ["forward", "bidirectional"])
def test_layers_so_wide_that_kernels_and_masks_are_others(reading):
    """Dropout by 16 bits; between the encoder's layers one seed pads where it is by `padded_lstm`, one packs."""
    models = models_of(replace(WIDE, reading=reading), 0.3)[:2]
    for model in models:
        model.float()
        for weight in model.parameters():
            weight.data *= 0.2  # random weights of the tests' own sizes would saturate every gate
    equals_each_alone(models, [FULL_ROWS, RAGGED], rtol=1e-3, atol=1e-4)


def test_the_kernels_of_the_wide_model_differ_by_seed():
    rnn = models_of(WIDE, 0.3)[0].float().encoder.rnn
    suits = [
        padded_lstm.suits(rnn, one.source.shape[1], one.source_lengths)
        for one in (FULL_ROWS, RAGGED)
    ]
    assert suits == ([True, False] if prefers_onednn(rnn.weight_hh_l0) else [False, False])


def test_losses_of_fifty_steps_are_those_of_each_run_alone():
    """Float32, dropout, own batches; Adam with the members' own optimizers."""
    models, single = ([one.float() for one in models_of(DEFAULT, 0.3)] for _ in range(2))
    seedwise = Seedwise(models)
    generators = [torch.Generator().manual_seed(seed) for seed in range(3)]
    together = [torch.optim.Adam(model.parameters(), 1e-2) for model in models]
    curves: list[list[float]] = []
    for _ in range(50):
        losses = [
            loss_of(*pair) for pair in zip(seedwise.logits(OWN, generators), OWN, strict=True)
        ]
        torch.stack(losses).sum().backward()
        for model, gradients, optimizer in zip(models, seedwise.gradients(), together, strict=True):
            for weight, gradient in zip(model.parameters(), gradients, strict=True):
                weight.grad = gradient
            optimizer.step()
        curves.append([float(loss.detach()) for loss in losses])
    for seed, (model, batch) in enumerate(zip(single, OWN, strict=True)):
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        torch.manual_seed(seed)
        for step in range(50):
            loss = loss_of(teacher_forced_logits(model, batch), batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            assert float(loss.detach()) == pytest.approx(curves[step][seed], rel=1e-4)


def test_without_generators_evaluation_draws_nothing():
    models = [model.eval() for model in models_of(DEFAULT, 0.3)]
    before = torch.get_rng_state()
    logits = Seedwise(models).logits(OWN)
    assert torch.equal(before, torch.get_rng_state())
    for model, batch, own in zip(models, OWN, logits, strict=True):
        torch.testing.assert_close(own, teacher_forced_logits(model, batch))


def test_a_part_without_a_form_is_named():
    class Mine(GeneralAttention):
        """An extension's attention."""

    models = models_of(DEFAULT, 0.0)
    for model in models:
        model.decoder.attention.__class__ = Mine
    with pytest.raises(NotImplementedError, match=r"Mine has no form for several seeds"):
        Seedwise(models)


def test_an_own_normalizer_is_named():
    class Sharp(Softmax):
        """An extension's normalizer."""

    models = models_of(DEFAULT, 0.0)
    for model in models:
        model.decoder.attention.normalizer = Sharp()
    with pytest.raises(NotImplementedError, match=r"Sharp has no form for several seeds"):
        Seedwise(models)


def test_half_precision_is_refused():
    seedwise = Seedwise(models_of(DEFAULT, 0.0))
    with torch.autocast("cpu"), pytest.raises(NotImplementedError, match="half precision"):
        seedwise.logits(OWN)


def test_models_of_other_sizes_are_refused():
    models = [make_model(DEFAULT), make_model(replace(DEFAULT, widths=(8, 8)))]
    with pytest.raises(ValueError, match="different sizes"):
        Seedwise(models)


# planted bugs


def draws_of_a_neighbour(self, shapes, generators):
    self.shapes, self.step = shapes, 0
    self.generators = list(generators[1:] + generators[:1]) if generators else []


def draws_of_the_widest(self, shapes, generators):
    widest = tuple(max(sizes) for sizes in zip(*shapes, strict=True))
    self.shapes, self.step, self.generators = [widest] * len(shapes), 0, list(generators or [])


@pytest.mark.parametrize("start", [draws_of_a_neighbour, draws_of_the_widest])
def test_planted_draws_are_caught(start, monkeypatch):
    monkeypatch.setattr(Draws, "start", start)
    with pytest.raises(AssertionError):
        equals_each_alone(models_of(DEFAULT, 0.3), OWN)


def test_planted_weights_of_another_seed_are_caught(monkeypatch):
    plain = products.product

    def shifted(inputs, weight, bias=None):
        return plain(inputs, weight.roll(1, 0), bias)

    monkeypatch.setattr(products, "product", shifted)
    with pytest.raises(AssertionError):
        equals_each_alone(models_of(DEFAULT, 0.0), OWN)
