"""Several heads, against torch's own attention, and what mixes them up."""

import pytest
import torch
from torch import Tensor, nn

from seq2seq_lab.doctor.attention_formulas import FORMULAS
from seq2seq_lab.model.multi_head_attention import MultiHeadAttention
from seq2seq_lab.testing.attention_properties import (
    WIDTH,
    equals_the_formula,
    make_memory,
    queries,
    randomized,
)
from support.model_properties import assert_equal

FORMULA = FORMULAS["MultiHeadAttention"]


def make(kind: type[MultiHeadAttention] = MultiHeadAttention) -> MultiHeadAttention:
    return randomized(kind(WIDTH, WIDTH, 8, num_heads=2))


@torch.no_grad()
def test_it_is_torchs_multi_head_attention():
    ours = make()
    theirs = nn.MultiheadAttention(
        8, 2, bias=False, kdim=WIDTH, vdim=WIDTH, batch_first=True
    ).double()
    theirs.q_proj_weight.copy_(torch.eye(8))
    theirs.k_proj_weight.copy_(ours.key.weight)
    theirs.v_proj_weight.copy_(ours.value.weight)
    theirs.out_proj.weight.copy_(ours.output.weight)
    memory, query = make_memory(), queries()
    expected = theirs(
        ours.query(query), memory.states, memory.states, key_padding_mask=~memory.mask
    )
    assert_equal(ours.sequence(query, ours.prepare(memory)), expected)


def test_the_context_is_as_wide_as_the_heads_together():
    attention = make()
    context, weights = attention.sequence(queries(), attention.prepare(make_memory()))
    assert (context.shape[-1], weights.shape[-1], attention.context_dim) == (8, 5, 8)


@pytest.mark.parametrize("num_heads", [3, 16])
def test_heads_that_do_not_divide_the_width_are_refused(num_heads):
    with pytest.raises(ValueError, match=rf"num_heads={num_heads}: must divide .* dim=8; choose"):
        MultiHeadAttention(WIDTH, WIDTH, 8, num_heads)


# planted bugs


class OtherHeadsKeys(MultiHeadAttention):
    """Each head compares with the keys of its neighbour."""

    def keys(self, values: Tensor) -> Tensor:
        return super().keys(values).roll(4, dims=-1)


class Interleaved(MultiHeadAttention):
    """Heads are every second component instead of halves."""

    def _heads(self, joined: Tensor) -> Tensor:
        return joined.unflatten(-1, (-1, self.num_heads)).permute(0, 3, 1, 2)


class StepsForHeads(MultiHeadAttention):
    """Steps and heads are folded in one order and unfolded in the other."""

    def energies(self, query: Tensor, keys: object, past: Tensor) -> Tensor:
        right = super().energies(query, keys, past).unflatten(1, (self.num_heads, -1))
        return right.transpose(1, 2).flatten(1, 2)


class OneHeadShown(MultiHeadAttention):
    """The weights shown are those of the first head."""

    def forward(self, query: Tensor, keys: object, past: Tensor) -> tuple[Tensor, Tensor]:
        weights = self.normalizer(self.energies(query, keys, past), keys.mask)
        return super().forward(query, keys, past)[0], weights[:, : query.shape[1]]


@pytest.mark.parametrize("bug", [OtherHeadsKeys, Interleaved, StepsForHeads, OneHeadShown])
@torch.no_grad()
def test_planted_mix_of_heads_is_caught(bug):
    with pytest.raises(AssertionError):
        equals_the_formula(make(bug), FORMULA)
