"""The window: where it stands, how wide it is, and the bugs of both."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from seq2seq_lab.doctor.attention_formulas import FORMULAS
from seq2seq_lab.model import local_attention
from seq2seq_lab.model.local_attention import LocalMonotonicAttention, window_bias
from seq2seq_lab.testing.attention_properties import (
    LENGTHS,
    STEPS,
    WIDTH,
    all_steps_at_once_equal_one_at_a_time,
    equals_the_formula,
    make_memory,
    queries,
)
from support.attention_properties import make
from support.model_properties import assert_equal

BOTH = pytest.mark.parametrize("name", ["local_m", "local_p"])


def formula(name: str):
    return FORMULAS[
        {"local_m": "LocalMonotonicAttention", "local_p": "LocalPredictiveAttention"}[name]
    ]


def test_the_bias_is_a_gaussian_with_half_the_half_width_as_sigma():
    bias = window_bias(torch.tensor([[1.0]], dtype=torch.float64), source=5, half_width=2)
    assert_equal(
        bias.exp()[0, 0].tolist(), [math.exp(-0.5), 1.0, math.exp(-0.5), math.exp(-2), 0.0]
    )


def test_the_monotonic_window_goes_one_position_a_step_and_stays_at_the_end():
    attention, memory = make("local_m"), make_memory()
    attention.key.weight.data.zero_()  # the score says nothing, so the Gaussian's middle is the maximum
    _, weights = attention.sequence(queries(), attention.prepare(memory))
    for row, length in enumerate(LENGTHS.tolist()):
        expected = [min(step, length - 1) for step in range(STEPS)]
        assert weights[row].argmax(dim=-1).tolist() == expected


@BOTH
def test_nothing_outside_the_window_is_read(name):
    attention, memory = make(name, half_width=1), make_memory(torch.tensor([5, 5, 5]))
    _, weights = attention.sequence(queries(), attention.prepare(memory))
    assert int((weights > 0).sum(dim=-1).max()) <= 3


def test_the_monotonic_window_does_not_count_in_half_precision():
    attention, steps = make("local_m").bfloat16(), 300
    memory = make_memory(torch.tensor([steps]))
    half = {name: getattr(memory, name).bfloat16() for name in ("states", "hidden", "cell_state")}
    keys = attention.prepare(replace(memory, **half))
    query = torch.zeros(1, steps, WIDTH, dtype=torch.bfloat16)
    _, weights = attention.sequence(query, keys)
    assert weights[0].argmax(dim=-1).tolist() == list(range(steps))
    past = attention.start(keys)
    for _ in range(steps):
        past = attention.advance(past, weights[:, 0])
    assert past.item() == steps


@BOTH
def test_a_window_below_one_is_refused(name):
    with pytest.raises(ValueError, match="half_width=0: must be >= 1"):
        make(name, half_width=0)


# planted bugs


def wider_by_one(centre: Tensor, source: int, half_width: int) -> Tensor:
    distance = torch.arange(source) - centre.unsqueeze(-1)
    bias = -2.0 * (distance / half_width).square()
    return bias.masked_fill(distance.abs() > half_width + 1, -math.inf)


def shifted_by_one(centre: Tensor, source: int, half_width: int) -> Tensor:
    return window_bias(centre - 1, source, half_width)


def flatter(centre: Tensor, source: int, half_width: int) -> Tensor:
    """Sigma is the half-width."""
    return window_bias(centre, source, half_width) / 4


@pytest.mark.parametrize("bug", [wider_by_one, shifted_by_one, flatter])
@BOTH
@torch.no_grad()
def test_planted_wrong_window_is_caught(name, bug, monkeypatch):
    monkeypatch.setattr(local_attention, "window_bias", bug)
    with pytest.raises(AssertionError):
        equals_the_formula(make(name), formula(name))


@torch.no_grad()
def test_planted_length_of_the_batch_is_caught(monkeypatch):
    def centre(self, query, last, past):
        return ORIGINAL(self, query, last.max().expand_as(last), past)

    ORIGINAL = local_attention.LocalPredictiveAttention.centre
    monkeypatch.setattr(local_attention.LocalPredictiveAttention, "centre", centre)
    with pytest.raises(AssertionError):
        equals_the_formula(make("local_p"), formula("local_p"))


def test_planted_standing_still_is_caught(monkeypatch):
    monkeypatch.setattr(LocalMonotonicAttention, "advance", lambda self, past, weights: past)
    with pytest.raises(AssertionError):
        all_steps_at_once_equal_one_at_a_time(make("local_m"))
