"""Attention weights per head: their mean over the heads equals the weights of decoding, step by step."""

import pytest
import torch

from seq2seq_lab.model.attention import Attention
from seq2seq_lab.model.multi_head_attention import MultiHeadAttention
from support.model_properties import assert_equal
from support.tiny_models import covering_choices, make_batch
from support.tiny_transformers import make_any, transformer_choices

BATCH = make_batch((4, 1, 2), (2, 6, 4))
FEW = {c.attention + c.order + str(c.input_feeding): c for c in covering_choices()}.values()


@torch.no_grad()
def mean_of_heads_equals_decoding(choice) -> torch.Tensor:
    model = make_any(choice)
    weights = model.attention_weights(BATCH.source, BATCH.source_lengths, BATCH.target_input)
    state = model.initial_state(model.encode(BATCH.source, BATCH.source_lengths))
    for step, tokens in enumerate(BATCH.target_input.unbind(1)):
        _, state = model.step(tokens, state)
        assert_equal(weights[:, :, step].mean(dim=1), state.attention)
    return weights


@pytest.mark.parametrize("choice", FEW, ids=str)
def test_the_mean_of_the_heads_is_what_decoding_shows(choice):
    weights = mean_of_heads_equals_decoding(choice)
    heads = 2 if choice.attention == "multi_head" else 1
    width = 0 if choice.attention == "none" else BATCH.source.shape[1]
    assert weights.shape[1:] == (heads, BATCH.target_input.shape[1], width)
    assert heads == 1 or not torch.equal(weights[:, 0], weights[:, 1])


@pytest.mark.parametrize("choice", transformer_choices()[::5], ids=str)
def test_the_mean_of_a_transformers_heads_is_what_decoding_shows(choice):
    mean_of_heads_equals_decoding(choice)


def test_every_attention_is_among_them():
    assert len({choice.attention for choice in FEW}) == 11


@pytest.mark.parametrize("order", ["before", "after"])
def test_planted_weights_of_another_query_is_caught(monkeypatch, order):
    choice = next(c for c in FEW if (c.attention, c.order) == ("multi_head", order))
    right = MultiHeadAttention.attention_weights
    monkeypatch.setattr(
        MultiHeadAttention,
        "attention_weights",
        lambda self, q, k, past: right(self, q.roll(1, 0), k, past),
    )
    monkeypatch.setattr(
        MultiHeadAttention, "forward", lambda self, q, k, past: _forward(self, right, q, k, past)
    )
    with pytest.raises(AssertionError):
        mean_of_heads_equals_decoding(choice)


def _forward(attention: Attention, heads, query, keys, past):
    weights = heads(attention, query, keys, past)
    read = torch.matmul(weights, attention._heads(keys.values))
    return attention.output(read.transpose(1, 2).flatten(2)), weights.mean(dim=1)
