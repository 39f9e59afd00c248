"""Self-attention with vectors of the distance against loops (Shaw et al. 2018, equations 3 and 4), and planted bugs.

tests/model/test_transformer_layer.py holds whole layers equal to loops, with this self-attention too.
"""

import math

import pytest
import torch
from torch import Tensor

from seq2seq_lab.model import self_attention
from seq2seq_lab.model.position import RelativePosition
from seq2seq_lab.model.self_attention import RelativeSelfAttention, SelfAttention
from support.model_properties import assert_equal

DOUBLE = torch.float64
HEADS, WIDTH, LONGEST = 3, 4, 2


def made(longest: int = LONGEST) -> RelativeSelfAttention:
    read = RelativeSelfAttention(WIDTH, HEADS, longest).double()
    with torch.no_grad():
        for parameter in read.parameters():
            parameter.normal_(0.0, 0.7)
    return read


def heads(steps: int) -> Tensor:
    return torch.randn(2, HEADS, steps, WIDTH, dtype=DOUBLE)


def by_loops(
    read: RelativeSelfAttention, query: Tensor, keys: Tensor, values: Tensor, seen
) -> Tensor:
    """`seen(row, i, j)` says whether query i, counted as the keys are, reads key j."""
    found, first = torch.zeros_like(query), keys.shape[2] - query.shape[2]
    for row in range(len(query)):
        for head in range(HEADS):
            for place in range(query.shape[2]):
                i, scores = place + first, {}
                for j in range(keys.shape[2]):
                    if seen(row, i, j):
                        apart = read.keys[head, max(-LONGEST, min(LONGEST, j - i)) + LONGEST]
                        q = query[row, head, place]
                        scores[j] = math.exp(float(q @ (keys[row, head, j] + apart)) / 2.0)
                for j, score in scores.items():
                    apart = read.values[head, max(-LONGEST, min(LONGEST, j - i)) + LONGEST]
                    share = score / sum(scores.values())
                    found[row, head, place] += share * (values[row, head, j] + apart)
    return found


@torch.no_grad()
def equals_loops() -> None:
    torch.manual_seed(3)
    read, query, keys, values = made(), heads(7), heads(7), heads(7)
    lengths = torch.tensor([7, 4])
    mask = torch.arange(7) < lengths.unsqueeze(1)
    expected = by_loops(read, query, keys, values, lambda row, i, j: j < lengths[row])
    assert_equal(read(query, keys, values, mask), expected)
    expected = by_loops(read, query, keys, values, lambda row, i, j: j <= i)
    assert_equal(read(query, keys, values), expected)
    one_by_one = [
        read(query[:, :, t : t + 1], keys[:, :, : t + 1], values[:, :, : t + 1]) for t in range(7)
    ]
    assert_equal(torch.cat(one_by_one, dim=2), expected)


def test_all_queries_and_one_at_a_time_equal_loops():
    equals_loops()


def test_without_vectors_it_is_plain_self_attention():
    read, values = made(), (heads(5), heads(5), heads(5))
    with torch.no_grad():
        for parameter in read.parameters():
            parameter.zero_()
    assert_equal(read(*values), SelfAttention()(*values))


def test_every_vector_of_a_distance_that_occurs_is_trained():
    read, values = made(3), (heads(3), heads(3), heads(3))
    read(*values, torch.ones(2, 3, dtype=torch.bool)).square().sum().backward()
    for parameter in read.parameters():
        trained = parameter.grad.abs().sum((0, 2)) > 0
        assert trained.tolist() == [False, True, True, True, True, True, False]


def test_gradients_are_those_of_differences():
    read, values = made(), [heads(4).requires_grad_() for _ in range(3)]
    assert torch.autograd.gradcheck(lambda *given: read(*given), tuple(values))


def test_equal_words_at_different_places_are_told_apart():
    read, ones = made(), torch.ones(1, HEADS, 3, WIDTH, dtype=DOUBLE)
    found = read(ones, ones, ones, torch.ones(1, 3, dtype=torch.bool))
    assert not torch.allclose(found[:, :, 0], found[:, :, 1])


def test_each_layer_has_vectors_of_its_own_and_no_distance_is_refused():
    position = RelativePosition(12, 3)
    assert position.self_attention().keys is not position.self_attention().keys
    assert position.self_attention().keys.shape == (3, 33, 4)
    with pytest.raises(ValueError, match="max_distance=0: must be >= 1"):
        RelativePosition(12, 3, max_distance=0)


# planted bugs


@pytest.mark.parametrize("bug", ["mirrored", "counted from the first key", "cut too far"])
def test_planted_wrong_distances_are_caught(bug, monkeypatch):
    right = self_attention.distances

    def wrong(steps, seen, longest, device):
        if bug == "mirrored":
            return 2 * longest - right(steps, seen, longest, device)
        if bug == "counted from the first key":
            return right(seen, seen, longest, device)[:steps]
        return right(steps, seen, longest, device).clamp(max=2 * longest - 1)

    monkeypatch.setattr(self_attention, "distances", wrong)
    with pytest.raises(AssertionError):
        equals_loops()


def test_planted_values_of_the_keys_are_caught(monkeypatch):
    monkeypatch.setattr(
        RelativeSelfAttention,
        "by_query",
        lambda self, rows, table: rows @ (table if table.shape[-2] == WIDTH else self.keys),
    )
    with pytest.raises(AssertionError):
        equals_loops()
