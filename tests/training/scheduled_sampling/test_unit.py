"""O8: the random draws of scheduled sampling."""

import pytest
import torch

from seq2seq_lab.training.scheduled_sampling import unit as module
from seq2seq_lab.training.scheduled_sampling.unit import Sequence, Token, WholeBatch, bernoulli
from support.tiny_models import class_of, nodes

UNITS = [Token(), Sequence(), WholeBatch()]
EVERY = pytest.mark.parametrize("unit", UNITS, ids=lambda u: type(u).__name__)


def generator(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_classes_and_yaml_files_are_the_same_set():
    named = {class_of(node) for node in nodes("../training/scheduled_sampling/unit").values()}
    assert named == {type(unit) for unit in UNITS}


def draws_follow_the_ratio() -> None:
    rows, columns = 400, 50
    for ratio in (0.1, 0.5, 0.9):
        draws = Token()(rows, columns, ratio, generator()).double()
        sigma = (ratio * (1 - ratio)) ** 0.5
        assert abs(draws.mean().item() - ratio) < 4 * sigma / (rows * columns) ** 0.5
        # per token: the means of rows and of columns scatter like those of independent draws
        for means, size in ((draws.mean(1), columns), (draws.mean(0), rows)):
            scatter = (means - ratio).div(sigma / size**0.5).pow(2).mean().item()
            assert abs(scatter - 1.0) < 4 * (2 / len(means)) ** 0.5


def test_draws_follow_the_ratio_per_token():
    draws_follow_the_ratio()


def test_a_sequence_has_one_draw_and_sequences_have_different_ones():
    draws = Sequence()(2000, 5, 0.3, generator())
    assert torch.equal(draws, draws[:, :1].expand(-1, 5))
    assert abs(draws[:, 0].double().mean().item() - 0.3) < 4 * (0.21 / 2000) ** 0.5


def test_a_batch_has_one_draw_and_batches_have_different_ones():
    own = generator()
    every = [WholeBatch()(3, 5, 0.3, own) for _ in range(2000)]
    assert all(bool((draws == draws[0, 0]).all()) for draws in every)
    mean = sum(bool(draws[0, 0]) for draws in every) / 2000
    assert abs(mean - 0.3) < 4 * (0.21 / 2000) ** 0.5


@EVERY
def test_draws_come_from_their_own_generator(unit):
    before = torch.get_rng_state()
    one = unit(3, 7, 0.5, generator())
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert torch.equal(one, unit(3, 7, 0.5, generator()))


@EVERY
def test_draws_continue_where_a_stored_generator_stopped(unit):
    own = generator()
    unit(3, 7, 0.5, own)
    stored = own.get_state()
    expected = [unit(3, 7, 0.5, own) for _ in range(9)]
    resumed = torch.Generator()
    resumed.set_state(stored)
    assert all(torch.equal(unit(3, 7, 0.5, resumed), one) for one in expected)


@EVERY
def test_the_ends_of_the_range_are_certain(unit):
    assert not unit(30, 70, 0.0, generator()).any()
    assert unit(30, 70, 1.0, generator()).all()


# planted bugs


@pytest.mark.parametrize(
    "shape",
    [lambda shape: (1, 1), lambda shape: (shape[0], 1), lambda shape: (1, shape[1])],
    ids=["batch", "sequence", "position"],
)
def test_planted_shared_draw_is_caught(monkeypatch, shape):
    monkeypatch.setattr(
        module, "bernoulli", lambda wanted, *rest: bernoulli(shape(wanted), *rest).expand(wanted)
    )
    with pytest.raises(AssertionError):
        draws_follow_the_ratio()


def test_planted_inverted_draws_are_caught(monkeypatch):
    monkeypatch.setattr(module, "bernoulli", lambda shape, ratio, g: bernoulli(shape, 1 - ratio, g))
    with pytest.raises(AssertionError):
        draws_follow_the_ratio()
