"""The mask of 16 bits keeps what dropout promises: how often, which factor, one mask for both directions."""

import pytest
import torch

from seq2seq_lab.model.kernel.dropout import LEVELS, SMALLEST, Dropout, dropout

SHAPE = (64, 5, 131)  # not a multiple of the four decisions in a draw
ONES = torch.ones(SHAPE)


def kept_share_is_that_of_the_probability(probability: float) -> None:
    """Compare with six standard deviations of the binomial count."""
    torch.manual_seed(1)
    kept = torch.stack([dropout(ONES, probability, training=True) > 0 for _ in range(20)])
    deviation = (probability * (1 - probability) / kept.numel()) ** 0.5
    assert abs(float(kept.float().mean()) - (1 - probability)) < 6 * deviation


@pytest.mark.parametrize("probability", [0.01, 0.3, 0.5, 0.9])
def test_the_share_of_what_is_kept(probability):
    kept_share_is_that_of_the_probability(probability)


def what_is_kept_is_divided_by_its_probability(probability: float) -> None:
    made = dropout(ONES, probability, training=True)
    torch.testing.assert_close(made[made > 0].mean(), torch.tensor(1 / (1 - probability)))
    assert set(made.unique().tolist()) == {0.0, float(made.max())}


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.5])
def test_what_is_kept_is_divided_by_its_probability(probability):
    what_is_kept_is_divided_by_its_probability(probability)


def every_place_is_drawn_by_itself() -> None:
    """Each of a draw's four places, neighbours and rows: no two agree more than chance."""
    torch.manual_seed(2)
    kept = (dropout(torch.ones(4000, 64), 0.5, training=True) > 0).double() - 0.5
    together = kept.t() @ kept / (len(kept) / 4)
    assert float((together - torch.eye(64)).abs().max()) < 6 * len(kept) ** -0.5


def test_every_place_is_drawn_by_itself():
    every_place_is_drawn_by_itself()


def test_the_gradient_has_the_mask_of_the_output():
    inputs = torch.randn(SHAPE, requires_grad=True)
    made = dropout(inputs, 0.3, training=True)
    made.sum().backward()
    torch.testing.assert_close(made.detach(), inputs.detach() * inputs.grad)


def test_the_seed_decides():
    made = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        made.append(dropout(ONES, 0.3, training=True))
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_nothing_is_dropped_in_evaluation_or_at_probability_0():
    inputs = torch.randn(SHAPE)
    assert dropout(inputs, 0.3, training=False) is inputs
    assert torch.equal(dropout(inputs, 0.0, training=True), inputs)
    assert torch.equal(Dropout(0.3).eval()(inputs), inputs)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_type_stays(dtype):
    assert dropout(ONES.to(dtype), 0.3, training=True).dtype == dtype


def test_a_probability_next_to_1_keeps_a_finite_factor():
    made = dropout(torch.ones(512, 512), 1 - 1e-7, training=True)
    assert made.isfinite().all()
    assert float(made.max()) in (0.0, float(LEVELS))


def test_small_inputs_are_torchs_own():
    inputs = torch.ones(SMALLEST - 1)
    torch.manual_seed(5)
    ours = dropout(inputs, 0.3, training=True)
    torch.manual_seed(5)
    assert torch.equal(ours, torch.nn.functional.dropout(inputs, 0.3))


def test_planted_draw_without_a_sign_is_caught(monkeypatch):
    """torch's `random_()` without bounds leaves the top bit 0: one place in four would seldom be dropped."""
    random_ = torch.Tensor.random_
    monkeypatch.setattr(torch.Tensor, "random_", lambda self, *_, **_named: random_(self))
    with pytest.raises(AssertionError):
        kept_share_is_that_of_the_probability(0.5)


def test_planted_draw_shared_by_neighbours_is_caught(monkeypatch):
    random_ = torch.Tensor.random_

    def shared(self, *bounds, **named):
        bits = random_(self, *bounds, **named).view(torch.int16).view(-1, 4)
        bits[:, 1] = bits[:, 0]
        return self

    monkeypatch.setattr(torch.Tensor, "random_", shared)
    with pytest.raises(AssertionError):
        every_place_is_drawn_by_itself()


def test_planted_factor_of_another_probability_is_caught(monkeypatch):
    mul_ = torch.Tensor.mul_
    monkeypatch.setattr(torch.Tensor, "mul_", lambda self, factor: mul_(self, factor * 0.7))
    with pytest.raises(AssertionError):
        what_is_kept_is_divided_by_its_probability(0.3)
