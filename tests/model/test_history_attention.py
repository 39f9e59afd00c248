"""Attention that remembers: what is remembered, and the bugs of remembering."""

import pytest
import torch
from torch import Tensor

from seq2seq_lab.doctor.attention_formulas import FORMULAS
from seq2seq_lab.model.history_attention import CoverageAttention, LocationAttention
from seq2seq_lab.testing.attention_properties import (
    WIDTH,
    equals_the_formula,
    hypotheses_side_by_side_equal_each_alone,
    make_memory,
    one_step_at_a_time,
    queries,
    randomized,
)
from support.attention_properties import make
from support.model_properties import assert_equal

PAIRS = [("location", "LocationAttention"), ("coverage", "CoverageAttention")]


@pytest.mark.parametrize("name", ["location", "coverage"])
def test_the_first_look_is_that_of_additive_attention(name):
    attention, plain = make(name), make("additive")
    plain.load_state_dict(attention.state_dict(), strict=False)
    memory, query = make_memory(), queries()[:, :1]
    first = attention.sequence(query, attention.prepare(memory))
    assert_equal(first, plain.sequence(query, plain.prepare(memory)))


def test_coverage_is_the_sum_of_all_looks_and_location_the_latest():
    for name, expected in (("coverage", [0.5, 0.75, 0.75]), ("location", [0.25, 0.5, 0.25])):
        attention = make(name)
        past = torch.zeros(1, 3)
        for weights in ([0.25, 0.25, 0.5], [0.25, 0.5, 0.25]):
            past = attention.advance(past, torch.tensor([weights]))
        assert past[0].tolist() == expected


def test_an_even_filter_is_refused():
    with pytest.raises(ValueError, match="kernel_size=4: must be odd"):
        make("location", kernel_size=4)


def test_a_filter_wider_than_the_sentence_is_fine():
    attention = make("location", kernel_size=13)
    equals_the_formula(attention, FORMULAS["LocationAttention"])


# planted bugs


class Forgetful(CoverageAttention):
    """Coverage that is not accumulated."""

    def advance(self, past: Tensor, weights: Tensor) -> Tensor:
        return weights


class Accumulated(LocationAttention):
    """Filters over the sum of all looks."""

    def advance(self, past: Tensor, weights: Tensor) -> Tensor:
        return past + weights


class Stale(LocationAttention):
    """Filters over the look before the latest one."""

    def start(self, keys: object) -> Tensor:
        return super().start(keys).repeat(1, 2)

    def advance(self, past: Tensor, weights: Tensor) -> Tensor:
        return torch.cat([weights, past[:, : weights.shape[1]]], dim=1)

    def features(self, past: Tensor) -> Tensor:
        return super().features(past.chunk(2, dim=-1)[1])


class Uncentred(LocationAttention):
    """Filters that stand one position too far to the right."""

    def features(self, past: Tensor) -> Tensor:
        return super().features(past).roll(1, dims=2)


def make_wrong(kind: type) -> CoverageAttention | LocationAttention:
    extra = {} if issubclass(kind, CoverageAttention) else {"num_filters": 3, "kernel_size": 3}
    return randomized(kind(WIDTH, WIDTH, 8, **extra))


@pytest.mark.parametrize("bug", [Forgetful, Accumulated, Stale, Uncentred])
@torch.no_grad()
def test_planted_wrong_memory_is_caught(bug):
    with pytest.raises(AssertionError):
        equals_the_formula(make_wrong(bug), FORMULAS[bug.__mro__[1].__name__])


class OnePast(CoverageAttention):
    """All hypotheses of a beam read the past of the first."""

    def features(self, past: Tensor) -> Tensor:
        return super().features(past[:, :1].expand_as(past))


def test_planted_past_of_another_hypothesis_is_caught():
    with pytest.raises(AssertionError):
        hypotheses_side_by_side_equal_each_alone(make_wrong(OnePast))


def test_planted_past_that_is_not_renewed_is_caught(monkeypatch):
    attention, query = make("coverage"), queries()
    keys = attention.prepare(make_memory())
    expected = attention.sequence(query, keys)
    monkeypatch.setattr(CoverageAttention, "advance", lambda self, past, weights: past)
    with pytest.raises(AssertionError):
        assert_equal(one_step_at_a_time(attention, query, keys), expected)
