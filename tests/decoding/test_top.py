"""The largest values block by block equal torch's own."""

import math

import pytest
import torch

from seq2seq_lab.decoding import top as module
from seq2seq_lab.decoding.top import FEWEST, largest, top

SIZES = [7, FEWEST - 1, FEWEST, FEWEST + 1, 5921]


def values(size: int) -> torch.Tensor:
    found = torch.randn(6, size, generator=torch.Generator().manual_seed(size))
    found[0, 3:] = -math.inf
    found[1] = -math.inf
    found[2, -1] = 9.0
    return found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [1, 6])
def test_top_is_that_of_torch(size, count):
    best, places = top(values(size), count)
    expected = values(size).topk(count)
    assert torch.equal(best, expected.values)
    assert torch.equal(values(size).gather(1, places), best)
    assert torch.equal(places[2:], expected.indices[2:])  # no equal values there


@pytest.mark.parametrize("size", SIZES)
def test_largest_is_the_first_of_equal_ones(size):
    equal = values(size).round()
    best, place = largest(equal)
    assert torch.equal(best, equal.amax(dim=-1))
    assert place.tolist() == [row.index(max(row)) for row in equal.tolist()]


def test_more_dimensions_are_rows():
    three = values(FEWEST + 5).view(2, 3, -1)
    assert torch.equal(top(three, 4)[1].view(6, 4)[2:], top(three.view(6, -1), 4)[1][2:])
    assert largest(three)[1].shape == (2, 3)


def test_planted_forgotten_rest_is_caught(monkeypatch):
    size = FEWEST + 5
    monkeypatch.setattr(module, "torch", _WithoutRest(size))
    with pytest.raises(AssertionError):
        test_top_is_that_of_torch(size, 1)


class _WithoutRest:
    """Torch, but the places after the last whole block are those of the first values."""

    def __init__(self, size: int):
        self.size = size

    def __getattr__(self, name):
        return getattr(torch, name)

    def arange(self, start, end, *rest):
        return torch.arange(start, end, *rest) * (end != self.size)
