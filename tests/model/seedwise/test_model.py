"""Several models at once: each one's logits and gradients are those of its model alone, dropout included."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from seq2seq_lab.batch import Batch
from seq2seq_lab.model.attention import GeneralAttention
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.kernel import padded_lstm
from seq2seq_lab.model.kernel.linear import prefers_onednn
from seq2seq_lab.model.normalizer import Softmax
from seq2seq_lab.model.seedwise import products
from seq2seq_lab.model.seedwise.draws import Draws
from seq2seq_lab.model.seedwise.model import Seedwise
from seq2seq_lab.training.scheduled_sampling.sequential import teacher_forced_logits
from support import tiny_transformers
from support.seedwise import (
    DEFAULT,
    OWN,
    SAME,
    compare_with_each_alone,
    loss_of,
    models_of,
    some_of,
)
from support.tiny_models import covering_choices, make_batch, make_model


def equals_each_alone(
    models: Sequence[EncoderDecoder], batches: Sequence[Batch], **within: float
) -> None:
    compare_with_each_alone(
        models,
        batches,
        lambda all_of_them, generators: all_of_them.logits(batches, generators),
        lambda seed: teacher_forced_logits(models[seed], batches[seed]),
        **within,
    )


@pytest.mark.parametrize("batches", [SAME, OWN], ids=["same", "own"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_default_model(batches, dropout):
    equals_each_alone(models_of(DEFAULT, dropout), batches)


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
