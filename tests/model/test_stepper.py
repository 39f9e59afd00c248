"""A search's stepper, with its weights packed once, equals `step`: logits and states, while rows leave."""

import copy
from dataclasses import replace

import pytest
import torch

from seq2seq_lab.model.ensemble import Ensemble
from seq2seq_lab.model.kernel import deferred as products
from seq2seq_lab.model.kernel import linear
from seq2seq_lab.model.kernel.deferred import Matrix
from seq2seq_lab.special_tokens import BOS
from support.small_runs import small
from support.tiny_models import covering_choices, make_batch, make_model
from support.tiny_transformers import make_any, transformer_choices

TOLERANCE = {torch.float64: {"atol": 1e-10, "rtol": 0}, torch.float32: {"atol": 1e-4, "rtol": 1e-4}}
FEW = (*covering_choices(1), *transformer_choices()[::2])
CHOICES = tuple(dict.fromkeys((*FEW, *covering_choices(), *transformer_choices())))
TURNS = [
    pytest.param(
        choice, dtype, marks=[] if choice in FEW and (i + j) % 2 == 0 else pytest.mark.slow
    )
    for i, choice in enumerate(CHOICES)
    for j, dtype in enumerate(TOLERANCE)
]


pytestmark = pytest.mark.usefixtures("onednn")


@pytest.fixture(autouse=True)
def _everything_is_packed(monkeypatch):
    monkeypatch.setattr(linear, "SMALLEST", 1)
    monkeypatch.setattr(products, "FEWEST", 1)


@torch.no_grad()
def stepper_equals_step(model, dtype: torch.dtype) -> None:
    """Six steps; after the first each sentence has two hypotheses, after the third every other sentence goes on."""
    model = model.to(dtype).eval()
    batch = make_batch()
    memory = model.encode(batch.source, batch.source_lengths)
    states = [model.initial_state(memory) for _ in range(2)]
    steps = [model.step, model.stepper()]
    token = torch.full((len(batch.source),), BOS)
    for position in range(6):
        found = [step(token, state) for step, state in zip(steps, states, strict=True)]
        (one, states[0]), (other, states[1]) = found
        torch.testing.assert_close(other, one, **TOLERANCE[dtype])
        torch.testing.assert_close(states[1].attention, states[0].attention, **TOLERANCE[dtype])
        token = one[:, BOS + 1 :].argmax(dim=1) + BOS + 1
        if position == 0:
            twice = torch.arange(len(token)).repeat_interleave(2)
            token, states = token[twice], [state.reorder(twice) for state in states]
            token[1::2] = token[1::2].clamp(min=BOS + 2) - 1
        if position == 2:
            swapped = torch.arange(len(token)).view(-1, 2).flip(1).flatten()
            token, states = token[swapped], [state.reorder(swapped) for state in states]
            keep = torch.arange(0, len(token) // 2, 2)
            rows = (keep[:, None] * 2 + torch.arange(2)).flatten()
            token, states = token[rows], [state.select(keep) for state in states]


@pytest.mark.parametrize(("choice", "dtype"), TURNS, ids=str)
def test_it_equals_step(choice, dtype):
    """`make test` takes models in which any two options meet, in one precision each; `make slow` all in both."""
    stepper_equals_step(make_any(choice), dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_an_ensemble_steps_with_each_members(dtype):
    choice = covering_choices()[0]
    stepper_equals_step(Ensemble([make_model(choice, seed) for seed in (1, 2)]), dtype)


def test_products_made_without_gradients_are_refused_where_they_are_wanted():
    model, batch = make_model(covering_choices()[0]), make_batch()
    with torch.no_grad():
        step = model.stepper()
    state = model.initial_state(model.encode(batch.source, batch.source_lengths))
    with pytest.raises(RuntimeError, match="products made without gradients"):
        step(torch.full((len(batch.source),), BOS), state)


def translations_follow_the_weights() -> None:
    """Each call packs the weights anew: between two of them training goes on."""
    parts = small()
    translator = parts.module.translator
    translator.translate(["1 2 3 4"])
    with torch.no_grad():
        for parameter in parts.module.model.parameters():
            parameter.mul_(4.0)
    fresh = replace(translator, model=copy.deepcopy(translator.model))
    found = [one.translate(["1 2 3 4"])[0].score for one in (translator, fresh)]
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_translations_follow_the_weights():
    translations_follow_the_weights()


# planted bugs


def test_planted_base_left_out_is_caught(monkeypatch):
    times = Matrix.times
    monkeypatch.setattr(Matrix, "times", lambda self, x, base, bias: times(self, x, None, bias))
    fed = next(choice for choice in covering_choices() if choice.input_feeding)
    with pytest.raises(AssertionError):
        stepper_equals_step(make_any(fed), torch.float64)


def test_planted_stepper_of_the_first_call_is_caught(monkeypatch):
    from seq2seq_lab.model.encoder_decoder import EncoderDecoder

    made = {}
    stepper = EncoderDecoder.stepper
    monkeypatch.setattr(
        EncoderDecoder, "stepper", lambda self: made.setdefault(id(self), stepper(self))
    )
    with pytest.raises(AssertionError):
        translations_follow_the_weights()
