"""The loss after a corrupted token equals a loop over single sentences and steps, with planted bugs."""

import math

import pytest
import torch
from PIL import Image

from seq2seq_lab.special_tokens import NUM_SPECIAL_TOKENS
from seq2seq_lab.training import corrupted_prefix
from seq2seq_lab.training.corrupted_prefix import (
    Recovery,
    corrupted,
    draw_recovery,
    measure_recovery,
)
from support.tiny_models import TARGET_VOCAB, covering_choices, make_batch, make_model

READING = next(
    c
    for c in covering_choices()
    if c.context == "initial_state" and c.attention == "additive" and c.input_feeding
)
BATCH = make_batch((4, 1, 2, 3), (2, 6, 4, 0))


def draw(seed: int = 1):
    return corrupted(
        BATCH.target_input,
        BATCH.target_mask.sum(1),
        TARGET_VOCAB,
        torch.Generator().manual_seed(seed),
    )


def test_one_token_of_each_row_becomes_another_word():
    met = set()
    for seed in range(300):
        inputs, place = draw(seed)
        differs = inputs != BATCH.target_input
        assert differs.sum(dim=1).tolist() == [1, 1, 1, 0]  # the last row is BOS alone
        for row in range(3):
            assert differs[row].nonzero().item() == place[row]
            assert 1 <= place[row] < BATCH.target_mask[row].sum()
            word = int(inputs[row, place[row]])
            assert NUM_SPECIAL_TOKENS <= word < TARGET_VOCAB
            met.add((row, int(place[row]), word))
    assert len({place for row, place, _ in met if row == 1}) == 6
    assert len({word for _, _, word in met}) == TARGET_VOCAB - NUM_SPECIAL_TOKENS


def by_loop(model, inputs, place):
    """Return {(row, distance): rise}, one sentence and one step at a time."""
    found = {}
    for row in range(3):
        count = int(BATCH.source_lengths[row])
        losses = []
        for tokens in (BATCH.target_input[row], inputs[row]):
            lengths = BATCH.source_lengths[row : row + 1]
            state = model.initial_state(model.encode(BATCH.source[row : row + 1, :count], lengths))
            losses.append([])
            for step in range(int(BATCH.target_mask[row].sum())):
                logits, state = model.step(tokens[step : step + 1], state)
                losses[-1].append(-float(logits.log_softmax(-1)[0, BATCH.target_output[row, step]]))
        for step, (before, after) in enumerate(zip(*losses, strict=True)):
            if step >= place[row]:
                found[row, step - int(place[row])] = after - before
            else:
                assert after == before
    return found


@torch.no_grad()
def assert_equals_the_loop():
    model = make_model(READING, dropout=0.3).train()
    found = measure_recovery(model, [BATCH], TARGET_VOCAB, distances=4)
    assert model.training
    expected = by_loop(model.eval(), *draw())
    for row in range(3):
        for distance in range(5):
            wanted = expected.get((row, distance), math.nan)
            torch.testing.assert_close(
                float(found.rises[row, distance]), wanted, rtol=0, atol=1e-10, equal_nan=True
            )


def test_the_rises_equal_a_loop_over_single_sentences():
    assert_equals_the_loop()


def test_measuring_moves_no_random_number_and_gives_the_same_again():
    model, before = make_model(READING), torch.get_rng_state()
    found = [measure_recovery(model, [BATCH], TARGET_VOCAB).rises for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(*(one.nan_to_num() for one in found))


def test_a_model_that_does_not_read_its_own_output_never_rises():
    deaf = [c for c in covering_choices() if make_model(c).decoder.embedding is None]
    assert deaf
    for choice in deaf[:2]:
        rises = measure_recovery(make_model(choice), [BATCH], TARGET_VOCAB).rises
        assert not rises.nan_to_num().any()


def test_means_and_intervals_by_hand():
    nan = math.nan
    recovery = Recovery(
        torch.tensor([[2.0, 1.0, nan, nan], [4.0, 3.0, 0.5, nan]], dtype=torch.float64)
    )
    assert recovery.pairs == [2, 2, 1]
    assert recovery.by_distance == [3.0, 2.0, 0.5]
    assert (recovery.at, recovery.after) == (3.0, 1.5)
    assert recovery.intervals() == [(2.0, 4.0), (1.0, 3.0), (0.5, 0.5)]


def test_a_picture_is_drawn(tmp_path):
    draw_recovery(tmp_path / "curve.png", Recovery(torch.rand(9, 5)))
    with Image.open(tmp_path / "curve.png") as picture:
        assert min(picture.size) > 300


# planted bugs


def test_planted_place_one_step_late_is_caught(monkeypatch):
    right = corrupted_prefix.corrupted

    def late(*arguments):
        inputs, place = right(*arguments)
        return inputs, place + 1

    monkeypatch.setattr(corrupted_prefix, "corrupted", late)
    with pytest.raises(AssertionError):
        assert_equals_the_loop()


def test_planted_dropout_left_on_is_caught(monkeypatch):
    monkeypatch.setattr(torch.nn.Module, "eval", lambda self: self)
    with pytest.raises(AssertionError):
        assert_equals_the_loop()
