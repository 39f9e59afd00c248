import pytest
import torch
from PIL import Image

from seq2seq_lab.decoding.limits import most_likely
from seq2seq_lab.training import exposure_bias
from seq2seq_lab.training.exposure_bias import Curve, draw_curves, measure
from support.model_properties import assert_equal
from support.tiny_models import covering_choices, make_batch, make_model

CHOICES = covering_choices()
READING = next(c for c in CHOICES if c.context == "initial_state" and c.attention == "additive")


def by_hand(model, batch, *, forced: bool) -> list[float]:
    """Return the mean loss at each position: one sentence, one step at a time."""
    losses: dict[int, list[float]] = {}
    for row, length in enumerate(batch.source_lengths.tolist()):
        lengths = batch.source_lengths[row : row + 1]
        with torch.no_grad():
            state = model.initial_state(model.encode(batch.source[row : row + 1, :length], lengths))
            token, logits = batch.target_input[row : row + 1, 0], torch.zeros(1, 13)
            for position in range(int(batch.target_mask[row].sum())):
                if position:
                    reference = batch.target_input[row : row + 1, position]
                    token = reference if forced else most_likely(logits)
                logits, state = model.step(token, state)
                target = int(batch.target_output[row, position])
                losses.setdefault(position, []).append(-float(logits.log_softmax(-1)[0, target]))
    return [sum(found) / len(found) for found in losses.values()]


def ends_equal_a_loop() -> None:
    batch = make_batch()
    for seed in range(5):
        model = make_model(READING, seed, dropout=0.3).train()
        forced, free = measure(model, [batch], (1.0, 0.0))
        assert model.training
        model.eval()
        assert_equal(forced.by_position, by_hand(model, batch, forced=True))
        assert_equal(free.by_position, by_hand(model, batch, forced=False))
        assert forced.counts.tolist() == [3, 3, 3, 2, 2, 1, 1]


def test_the_ends_of_the_sweep_equal_a_loop_over_single_sentences():
    ends_equal_a_loop()


def test_the_mean_is_weighted_by_tokens_over_batches():
    model, batches = make_model(READING), [make_batch(), make_batch((3,), (9,), seed=2)]
    (curve,) = measure(model, batches, (1.0,))
    singles = [measure(model, [batch], (1.0,))[0] for batch in batches]
    total = sum(float(one.sums.sum()) for one in singles)
    assert curve.mean == pytest.approx(total / (15 + 10))


def test_measuring_moves_no_random_number():
    model, before = make_model(READING), torch.get_rng_state()
    measure(model, [make_batch()], (0.5,))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_picture_is_drawn(tmp_path):
    curves = [Curve(r, torch.rand(9), torch.tensor([9.0] * 7 + [2.0] * 2)) for r in (1.0, 0.0)]
    draw_curves(tmp_path / "curve.png", curves, fewest=5)
    with Image.open(tmp_path / "curve.png") as picture:
        assert min(picture.size) > 300


def test_planted_ratio_upside_down_is_caught(monkeypatch):
    right = exposure_bias._logits

    def inverted(model, seeds, batch, ratio, generator):
        return right(model, seeds, batch, 1.0 - ratio, generator)

    monkeypatch.setattr(exposure_bias, "_logits", inverted)
    with pytest.raises(AssertionError):
        ends_equal_a_loop()


def test_planted_dropout_left_on_is_caught(monkeypatch):
    monkeypatch.setattr(torch.nn.Module, "eval", lambda self: self)
    with pytest.raises(AssertionError):
        ends_equal_a_loop()
