from dataclasses import replace
from functools import partial

import pytest
import torch

from seq2seq_lab.decoding.limits import most_likely
from seq2seq_lab.doctor import teacher_forcing
from seq2seq_lab.training.loss import negative_log_likelihood
from seq2seq_lab.training.scheduled_sampling import unit as unit_module
from seq2seq_lab.training.scheduled_sampling.parallel import Parallel
from seq2seq_lab.training.scheduled_sampling.sampled_token import (
    Argmax,
    Mixture,
    Sample,
    StraightThroughGumbel,
    TopK,
)
from seq2seq_lab.training.scheduled_sampling.sequential import (
    Sequential,
    sequential_logits,
    teacher_forced_logits,
)
from seq2seq_lab.training.scheduled_sampling.unit import Sequence, Token, WholeBatch
from support import model_properties as properties
from support.tiny_models import covering_choices, every_choice, make_batch, make_model
from support.tiny_transformers import make_any, transformer_choices

CHOICES = covering_choices()
EVERY = every_choice()
FEEDING = next(
    c for c in CHOICES if c.context == "initial_state" and c.input_feeding and c.layers == (2, 2)
)


def generator(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def steps_by(change, model, monkeypatch) -> None:
    """Let `change(step, embedded, state)` take the steps of the decoder's loop."""
    original = model.decoder.packed

    def packed():
        loop = original()
        return replace(loop, step_embedded=partial(change, loop.step_embedded))

    monkeypatch.setattr(model.decoder, "packed", packed)


# O6


@EVERY
def test_all_coins_true_equals_the_parallel_road_in_logits_and_gradients(choice):
    properties.sequential_equals_parallel(make_model(choice), make_batch())


@EVERY
def test_all_coins_true_equals_the_parallel_road_with_shared_dropout_masks(choice):
    properties.sequential_equals_parallel(make_model(choice, dropout=0.4).train(), make_batch())


def test_the_shared_masks_do_drop():
    model, batch = make_model(FEEDING, dropout=0.4), make_batch()
    with properties.shared_dropout(model):
        dropped = teacher_forced_logits(model.train(), batch)
    assert not torch.allclose(dropped, teacher_forced_logits(model.eval(), batch))


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_planted_token_one_step_late_is_caught(monkeypatch, dropout):
    def late(model, batch, coins):
        batch.target_input[:, 1:] = batch.target_input[:, :-1].clone()
        return sequential_logits(model, batch, coins)

    monkeypatch.setattr(teacher_forcing, "sequential_logits", late)
    with pytest.raises(AssertionError):
        properties.sequential_equals_parallel(make_model(FEEDING, dropout=dropout), make_batch())


def test_planted_cut_gradient_is_caught(monkeypatch):
    model = make_model(FEEDING)

    def cut(step, embedded, state):
        logits, state = step(embedded, state)
        return logits, replace(state, hidden=state.hidden.detach())

    steps_by(cut, model, monkeypatch)
    with pytest.raises(AssertionError):
        properties.sequential_equals_parallel(model, make_batch())


def test_planted_other_mask_at_one_layer_is_caught(monkeypatch):
    model = make_model(FEEDING, dropout=0.4).train()

    def undropped(step, embedded, state):
        model.decoder.dropout = 0.0
        result = step(embedded, state)
        model.decoder.dropout = 0.4
        return result

    steps_by(undropped, model, monkeypatch)
    with pytest.raises(AssertionError):
        properties.sequential_equals_parallel(model, make_batch())


# O7, one more time through the configurable class (200 models: tests/decoding/test_greedy.py)


def sequential_at_zero(model, batch):
    return Sequential()(model, batch, 0.0, generator())


def ratio_zero_equals_greedy(choices) -> None:
    batch = properties.full_batch(make_batch())
    for seed, choice in enumerate(choices):
        model = make_model(choice, seed)
        properties.ratio_zero_equals_greedy(model, batch, sequential_at_zero)


def test_sequential_at_ratio_zero_equals_greedy_decoding():
    ratio_zero_equals_greedy(CHOICES[:30])


def test_planted_inverted_ratio_breaks_the_law_of_ratio_zero(monkeypatch):
    bernoulli = unit_module.bernoulli
    monkeypatch.setattr(
        unit_module,
        "bernoulli",
        lambda shape, ratio, generator: bernoulli(shape, 1.0 - ratio, generator),
    )
    with pytest.raises(AssertionError):
        ratio_zero_equals_greedy(CHOICES[:30])


def test_ratio_one_takes_the_parallel_road_and_draws_no_coin():
    coins, model, batch = generator(), make_model(FEEDING), make_batch()
    properties.assert_equal(
        Sequential()(model, batch, 1.0, coins), teacher_forced_logits(model, batch)
    )
    assert torch.equal(coins.get_state(), generator().get_state())


def fed_inputs(model, run, monkeypatch) -> list[torch.Tensor]:
    """Return the inputs and logits of each step."""
    fed = []

    def spy(step, embedded, state):
        logits, state = step(embedded, state)
        fed.append((embedded, logits))
        return logits, state

    steps_by(spy, model, monkeypatch)
    run()
    return fed


def test_a_false_coin_feeds_the_own_choice_and_a_true_one_the_data(monkeypatch):
    model, batch = make_model(FEEDING), properties.full_batch(make_batch())
    coins = torch.rand(batch.target_input.shape, generator=generator()) < 0.5
    fed = fed_inputs(model, lambda: sequential_logits(model, batch, coins), monkeypatch)
    data = model.decoder.embed(batch.target_input)
    for position in range(1, len(fed)):
        own = model.decoder.embed(most_likely(fed[position - 1][1]).unsqueeze(1))[:, 0]
        properties.assert_equal(
            fed[position][0], torch.where(coins[:, position, None], data[:, position], own)
        )
    properties.assert_equal(fed[0][0], data[:, 0])


# the parallel road

SEVERAL = (*CHOICES[::6], *transformer_choices()[::4])


def with_gradients(model, batch, feed, ratio: float):
    """Return logits and gradients under the same coins."""
    logits = feed(model, batch, ratio, generator())
    loss = negative_log_likelihood(logits, batch.target_output[batch.target_mask])
    return logits.detach(), properties.gradients(model, loss)


def as_many_passes_as_steps_equal_sequential(ratio: float) -> None:
    batch = make_batch()
    parallel = Parallel(passes=batch.target_input.shape[1] + 1)
    for seed, choice in enumerate(SEVERAL):
        model = make_any(choice, seed)
        one = with_gradients(model, batch, parallel, ratio)
        properties.assert_equal(one, with_gradients(model, batch, Sequential(), ratio))


@pytest.mark.parametrize("ratio", [0.0, 0.5])
def test_as_many_passes_as_steps_feed_what_sequential_feeds(ratio):
    as_many_passes_as_steps_equal_sequential(ratio)


def test_two_passes_feed_what_the_teacher_forced_run_predicted():
    batch = make_batch()
    for seed, choice in enumerate(SEVERAL):
        model = make_any(choice, seed)
        own = torch.zeros_like(batch.target_input)
        whole = model(batch.source, batch.source_lengths, batch.target_input)
        own[:, 1:] = most_likely(whole)[:, :-1]
        own[:, 0] = batch.target_input[:, 0]
        own = torch.where(batch.target_mask, own, batch.target_input)
        expected = model(batch.source, batch.source_lengths, own)[batch.target_mask]
        properties.assert_equal(Parallel()(model, batch, 0.0, generator()), expected)


@pytest.mark.parametrize("road", [Sequential(), Parallel()], ids=["sequential", "parallel"])
def test_ratio_one_is_teacher_forcing_and_draws_nothing(road):
    coins, model, batch = generator(), make_model(FEEDING), make_batch()
    properties.assert_equal(road(model, batch, 1.0, coins), teacher_forced_logits(model, batch))
    assert torch.equal(coins.get_state(), generator().get_state())


@pytest.mark.parametrize("road", [Sequential, Parallel])
@pytest.mark.parametrize("unit", [Token, Sequence, WholeBatch])
@pytest.mark.parametrize(
    "fed",
    [Argmax(), Sample(), TopK(3), Mixture(), StraightThroughGumbel()],
    ids=lambda k: type(k).__name__,
)
def test_every_road_unit_and_fed_token_gives_finite_gradients_and_the_same_again(road, unit, fed):
    feed, batch = road(unit=unit(), sampled_token=fed), make_batch()
    model = make_model(FEEDING)
    logits, found = with_gradients(model, batch, feed, 0.4)
    assert logits.shape == (int(batch.target_mask.sum()), 13)
    assert all(g is not None and bool(torch.isfinite(g).all()) for g in found.values())
    properties.assert_equal(with_gradients(model, batch, feed, 0.4), (logits, found))
    other = feed(model, batch, 0.4, generator(8))
    assert not torch.allclose(other, logits) or unit is WholeBatch


@pytest.mark.parametrize("road", [Sequential, Parallel])
@pytest.mark.parametrize(
    "fed", [Argmax(), Mixture(), StraightThroughGumbel()], ids=lambda k: type(k).__name__
)
def test_padding_has_no_effect_at_any_ratio(road, fed):
    """O5, for a deterministic choice of coins: every place its own choice."""
    batch = make_batch()
    wide = properties.widened(batch, source=2, target=0)
    feed = road(sampled_token=fed)
    for choice in SEVERAL[::4]:
        model = make_any(choice)
        expected = with_gradients(model, batch, feed, 0.0)
        properties.assert_equal(with_gradients(model, wide, feed, 0.0), expected)


def test_one_pass_is_refused():
    with pytest.raises(ValueError, match="passes=1: must be >= 2"):
        Parallel(passes=1)


# planted bugs of the parallel road


def test_planted_prediction_of_the_same_step_is_caught(monkeypatch):
    """The token predicted at a place instead of the one before it."""
    roll = torch.Tensor.roll
    monkeypatch.setattr(torch.Tensor, "roll", lambda self, shift, dims: roll(self, 0, dims))
    with pytest.raises(AssertionError):
        as_many_passes_as_steps_equal_sequential(0.5)


def test_planted_gradient_that_stops_at_the_own_tokens_is_caught(monkeypatch):
    embed = Argmax.embed
    monkeypatch.setattr(Argmax, "embed", lambda self, *args: embed(self, *args).detach())
    batch = make_batch()
    cut = with_gradients(make_model(FEEDING), batch, Parallel(passes=8), 0.0)
    monkeypatch.setattr(Argmax, "embed", embed)
    with pytest.raises(AssertionError):
        properties.assert_equal(with_gradients(make_model(FEEDING), batch, Sequential(), 0.0), cut)
