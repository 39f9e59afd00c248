"""The functions that replace attention weights: equal to loops over positions, and what each of them keeps."""

import math

import pytest
import torch

from seq2seq_lab.batch import mask_from_lengths
from seq2seq_lab.decoding.intervention import Hard, OtherSeed, Shifted, Shuffled, Uniform

LENGTHS = torch.tensor([5, 1, 3])
SOURCE = torch.tensor([[7, 8, 9, 7, 2], [2, 0, 0, 0, 0], [9, 8, 2, 0, 0]])
MASK = mask_from_lengths(LENGTHS, 5)
EVERY = [Uniform(), Hard(), Shifted(1), Shifted(-2), Shifted(7), Shuffled(1), Shuffled(2)]


def learned(seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(3, 4, 5, generator=generator, dtype=torch.float64)
    return scores.masked_fill(~MASK.unsqueeze(1), -math.inf).softmax(-1)


def by_loop(intervention, weights: list[float], order: list[int]) -> list[float]:
    """Return the new weights of one step of one sentence; both lists have the real positions only."""
    count = len(weights)
    if isinstance(intervention, Uniform):
        return [1 / count] * count
    if isinstance(intervention, Hard):
        return [float(place == weights.index(max(weights))) for place in range(count)]
    new = [0.0] * count
    for place, weight in enumerate(weights):
        to = (
            (place + intervention.by) % count
            if isinstance(intervention, Shifted)
            else order.index(place)
        )
        new[to] = weight
    return new


def assert_equals_the_loop(intervention) -> None:
    weights, order = learned(), intervention.order(SOURCE, LENGTHS)
    found = intervention.replace(weights, MASK, order)
    assert found.shape == weights.shape
    for row, count in enumerate(LENGTHS.tolist()):
        for step in range(4):
            expected = by_loop(
                intervention, weights[row, step, :count].tolist(), order[row, :count].tolist()
            )
            wanted = torch.tensor(expected + [0.0] * (5 - count), dtype=torch.float64)
            torch.testing.assert_close(found[row, step], wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("intervention", EVERY, ids=str)
def test_the_weights_equal_a_loop_over_the_positions(intervention):
    assert_equals_the_loop(intervention)


@pytest.mark.parametrize("intervention", EVERY, ids=str)
def test_every_row_sums_to_one_and_padding_gets_nothing(intervention):
    found = intervention.replace(learned(), MASK, intervention.order(SOURCE, LENGTHS))
    torch.testing.assert_close(found.sum(-1), torch.ones(3, 4, dtype=torch.float64))
    assert not found.masked_select(~MASK.unsqueeze(1)).any()


@pytest.mark.parametrize("intervention", EVERY, ids=str)
def test_a_source_of_one_token_keeps_its_weight(intervention):
    found = intervention.replace(learned(), MASK, intervention.order(SOURCE, LENGTHS))
    assert torch.equal(found[1], learned()[1])


def test_a_shuffle_moves_the_same_way_at_every_step_and_depends_on_the_sentence_alone():
    alone = [
        Shuffled(3).order(SOURCE[row : row + 1, :count], LENGTHS[row : row + 1])[0].tolist()
        for row, count in enumerate(LENGTHS.tolist())
    ]
    together = Shuffled(3).order(SOURCE, LENGTHS)
    for row, count in enumerate(LENGTHS.tolist()):
        assert together[row, :count].tolist() == alone[row]
        assert sorted(alone[row]) == list(range(count))
    assert together[0, :5].tolist() != Shuffled(4).order(SOURCE, LENGTHS)[0, :5].tolist()


def test_every_order_of_three_comes_about_equally_often():
    generator = torch.Generator().manual_seed(1)
    sources = torch.randint(4, 10_000, (3_000, 3), generator=generator)
    orders = Shuffled().order(sources, torch.full((3_000,), 3)).unique(dim=0, return_counts=True)
    assert len(orders[0]) == 6
    assert orders[1].min() > 400  # 500 expected, sd 20
    assert orders[1].max() < 600


def test_a_shift_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"by=0: moves nothing; use decoding.intervention=null"):
        Shifted(0)


def test_only_another_seed_names_a_run():
    assert [one.other_run() for one in (*EVERY, OtherSeed("runs/2"))] == [None] * 7 + ["runs/2"]


# planted bugs


def test_planted_uniform_over_padding_too_is_caught(monkeypatch):
    monkeypatch.setattr(
        Uniform, "replace", lambda self, weights, mask, order: torch.full_like(weights, 1 / 5)
    )
    with pytest.raises(AssertionError):
        assert_equals_the_loop(Uniform())


def test_planted_shift_the_other_way_is_caught(monkeypatch):
    right = Shifted.order
    monkeypatch.setattr(
        Shifted, "order", lambda self, source, lengths: right(Shifted(-self.by), source, lengths)
    )
    with pytest.raises(AssertionError):
        assert_equals_the_loop(Shifted(1))


def test_planted_shift_around_the_padded_length_is_caught(monkeypatch):
    monkeypatch.setattr(
        Shifted, "order", lambda self, source, lengths: (torch.arange(5) - 1).expand(3, -1) % 5
    )
    with pytest.raises(AssertionError):
        assert_equals_the_loop(Shifted(1))
