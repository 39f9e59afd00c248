"""`check_attention` on classes of ours, and on classes with one planted bug each."""

import pytest
import torch
from torch import Tensor

from seq2seq_lab.model.attention import Attention, DotAttention, GeneralAttention
from seq2seq_lab.model.history_attention import LocationAttention
from seq2seq_lab.model.state import AttentionKeys, Memory
from seq2seq_lab.testing import check_attention


class SoftmaxBeforeMask(DotAttention):
    """Normalises over padding too, and masks the weights."""

    def forward(self, query: Tensor, keys: AttentionKeys, past: Tensor) -> tuple[Tensor, Tensor]:
        weights = torch.softmax(self.energies(query, keys, past), dim=-1)
        weights = weights.masked_fill(~keys.mask.unsqueeze(1), 0.0)
        return torch.bmm(weights, keys.values), weights


class ReadsPadding(DotAttention):
    """Averages the memory as it comes."""

    def prepare(self, memory: Memory) -> AttentionKeys:
        if not bool(memory.mask.any(dim=1).all()):
            raise ValueError("attention over a source row without any real token")
        return AttentionKeys(memory.states, memory.states, memory.mask)


class ReadsTheBatch(DotAttention):
    """A score of the neighbour's keys."""

    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        return super().score(query, keys.mean(dim=0, keepdim=True).expand_as(keys) + keys)


class Detached(GeneralAttention):
    """A score whose gradient is lost."""

    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        return super().score(query.detach(), keys) + 0.0 * query.sum()


class CountsItsCalls(DotAttention):
    """Keeps the step in an attribute."""

    calls = 0

    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        self.calls += 1
        return super().score(query, keys) / self.calls


class AllowsEmptyRows(DotAttention):
    """Takes a source of padding only."""

    def prepare(self, memory: Memory) -> AttentionKeys:
        values = memory.states.masked_fill(~memory.mask.unsqueeze(-1), 0.0)
        return AttentionKeys(values, values, memory.mask)


class WrongWidth(GeneralAttention):
    """Announces another width than that of its contexts."""

    def __init__(self, query_dim: int, memory_dim: int):
        super().__init__(query_dim, memory_dim)
        self.context_dim = memory_dim + 1


def doubled(attention: Attention, queries: list, states: list) -> list:
    """A formula of another attention."""
    return [([1.0] + [0.0] * (len(states) - 1), states[0]) for _ in queries]


def test_attentions_of_ours_pass():
    check_attention(DotAttention, temperature=0.7)
    check_attention(LocationAttention, dim=4, num_filters=2, kernel_size=3)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (SoftmaxBeforeMask, r"distribution over the real positions.*sum of a row.*apart by .*Mask"),
        (ReadsPadding, "under the mask are never read.*keys.values"),
        (ReadsTheBatch, "the same alone and in a batch"),
        (Detached, "gradients equal finite differences.*detach"),
        (CountsItsCalls, "all steps at once equal one step at a time.*start"),
        (AllowsEmptyRows, "without any real token is refused.*prepare"),
        (WrongWidth, r"contexts of shape \[3, 7, 6\] with context_dim=7"),
    ],
)
def test_planted_attention_is_caught_and_named(kind, named):
    with pytest.raises(AssertionError, match=named):
        check_attention(kind)


def test_an_attention_is_compared_with_the_formula_that_is_given():
    with pytest.raises(AssertionError, match=r"equal the formula.*apart by"):
        check_attention(DotAttention, formula=doubled)


def test_a_constructor_that_refuses_every_width_is_reported():
    with pytest.raises(ValueError, match="temperature=-1"):
        check_attention(DotAttention, temperature=-1.0)
