import pytest
import torch

import laws
from seq2seq_lab.training import feeding
from seq2seq_lab.training.feeding import Sequential, draw_coins, rolled_out, teacher_forced
from tiny_models import covering_choices, make_batch, make_model

CHOICES = covering_choices()
EVERY = pytest.mark.parametrize("choice", CHOICES, ids=str)
FEEDING = next(
    c for c in CHOICES if c.context == "initial_state" and c.input_feeding and c.layers == (2, 2)
)


def generator(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# O6


@EVERY
def test_all_coins_true_equals_the_parallel_road_in_logits_and_gradients(choice):
    laws.loop_equals_parallel_road(make_model(choice), make_batch())


@EVERY
def test_all_coins_true_equals_the_parallel_road_with_shared_dropout_masks(choice):
    laws.loop_equals_parallel_road(make_model(choice, dropout=0.4).train(), make_batch())


def test_the_shared_masks_do_drop():
    model, batch = make_model(FEEDING, dropout=0.4), make_batch()
    with laws.shared_dropout(model):
        dropped = teacher_forced(model.train(), batch)
    assert not torch.allclose(dropped, teacher_forced(model.eval(), batch))


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_planted_token_one_step_late_is_caught(monkeypatch, dropout):
    def late(model, batch, coins):
        batch.target_input[:, 1:] = batch.target_input[:, :-1].clone()
        return rolled_out(model, batch, coins)

    monkeypatch.setattr(laws, "rolled_out", late)
    with pytest.raises(AssertionError):
        laws.loop_equals_parallel_road(make_model(FEEDING, dropout=dropout), make_batch())


def test_planted_cut_gradient_is_caught(monkeypatch):
    model = make_model(FEEDING)
    step = model.decoder.step

    def cut(token, state):
        from dataclasses import replace

        logits, state = step(token, state)
        return logits, replace(state, hidden=state.hidden.detach())

    monkeypatch.setattr(model.decoder, "step", cut)
    with pytest.raises(AssertionError):
        laws.loop_equals_parallel_road(model, make_batch())


def test_planted_other_mask_at_one_layer_is_caught(monkeypatch):
    model = make_model(FEEDING, dropout=0.4).train()
    step = model.decoder.step

    def undropped(token, state):
        model.decoder.dropout = 0.0
        result = step(token, state)
        model.decoder.dropout = 0.4
        return result

    monkeypatch.setattr(model.decoder, "step", undropped)
    with pytest.raises(AssertionError):
        laws.loop_equals_parallel_road(model, make_batch())


# O7, one more time through the configurable class (200 models: tests/decoding/test_greedy.py)


def sequential_at_zero(model, batch):
    return Sequential()(model, batch, 0.0, generator())


def ratio_zero_equals_greedy(choices) -> None:
    batch = laws.full_batch(make_batch())
    for seed, choice in enumerate(choices):
        model = make_model(choice, seed)
        laws.never_teacher_forced_equals_greedy(model, batch, sequential_at_zero)


def test_sequential_at_ratio_zero_equals_greedy_decoding():
    ratio_zero_equals_greedy(CHOICES[:30])


def test_planted_inverted_ratio_breaks_the_law_of_ratio_zero(monkeypatch):
    def inverted(shape, ratio, generator):
        return draw_coins(shape, 1.0 - ratio, generator)

    monkeypatch.setattr(feeding, "draw_coins", inverted)
    with pytest.raises(AssertionError):
        ratio_zero_equals_greedy(CHOICES[:30])


def test_ratio_one_takes_the_parallel_road_and_draws_no_coin():
    coins, model, batch = generator(), make_model(FEEDING), make_batch()
    laws.assert_equal(Sequential()(model, batch, 1.0, coins), teacher_forced(model, batch))
    assert torch.equal(coins.get_state(), generator().get_state())


def test_a_false_coin_feeds_the_own_choice_and_a_true_one_the_data():
    model, batch = make_model(FEEDING), laws.full_batch(make_batch())
    fed, step = [], model.decoder.step

    def spy(token, state):
        logits, state = step(token, state)
        fed.append((token, logits.argmax(dim=-1)))
        return logits, state

    model.decoder.step = spy
    coins = torch.rand(batch.target_input.shape, generator=generator()) < 0.5
    rolled_out(model, batch, coins)
    for position in range(1, len(fed)):
        expected = torch.where(
            coins[:, position], batch.target_input[:, position], fed[position - 1][1]
        )
        assert torch.equal(fed[position][0], expected)
    assert torch.equal(fed[0][0], batch.target_input[:, 0])


# O8: the coins


def coins_follow_the_ratio() -> None:
    rows, columns = 400, 50
    for ratio in (0.1, 0.5, 0.9):
        coins = feeding.draw_coins(torch.Size([rows, columns]), ratio, generator()).double()
        sigma = (ratio * (1 - ratio)) ** 0.5
        assert abs(coins.mean().item() - ratio) < 4 * sigma / (rows * columns) ** 0.5
        # per token: the means of rows and of columns scatter like those of independent coins
        for means, size in ((coins.mean(1), columns), (coins.mean(0), rows)):
            scatter = (means - ratio).div(sigma / size**0.5).pow(2).mean().item()
            assert abs(scatter - 1.0) < 4 * (2 / len(means)) ** 0.5


def test_coins_follow_the_ratio_per_token():
    coins_follow_the_ratio()


@pytest.mark.parametrize(
    "shape",
    [lambda shape: (1, 1), lambda shape: (shape[0], 1), lambda shape: (1, shape[1])],
    ids=["batch", "sentence", "position"],
)
def test_planted_shared_coin_is_caught(monkeypatch, shape):
    def shared(wanted, ratio, generator):
        return draw_coins(torch.Size(shape(wanted)), ratio, generator).expand(wanted)

    monkeypatch.setattr(feeding, "draw_coins", shared)
    with pytest.raises(AssertionError):
        coins_follow_the_ratio()


def test_planted_inverted_coins_are_caught(monkeypatch):
    monkeypatch.setattr(
        feeding, "draw_coins", lambda shape, ratio, g: draw_coins(shape, 1 - ratio, g)
    )
    with pytest.raises(AssertionError):
        coins_follow_the_ratio()


def test_coins_come_from_their_own_generator():
    before = torch.get_rng_state()
    one = draw_coins(torch.Size([3, 7]), 0.5, generator())
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert torch.equal(one, draw_coins(torch.Size([3, 7]), 0.5, generator()))


def test_coins_continue_where_a_stored_generator_stopped():
    coins = generator()
    draw_coins(torch.Size([3, 7]), 0.5, coins)
    stored = coins.get_state()
    expected = draw_coins(torch.Size([3, 7]), 0.5, coins)
    resumed = torch.Generator()
    resumed.set_state(stored)
    assert torch.equal(draw_coins(torch.Size([3, 7]), 0.5, resumed), expected)


def test_the_ends_of_the_range_are_certain():
    shape = torch.Size([30, 70])
    assert not draw_coins(shape, 0.0, generator()).any()
    assert draw_coins(shape, 1.0, generator()).all()
