"""The common step: whose requests it takes, the gradients that it gives back, and what an error in it costs."""

from dataclasses import dataclass, field

import pytest
import torch

from seq2seq_lab.training import pack_step
from seq2seq_lab.training.loss import TokenCrossEntropy
from seq2seq_lab.training.pack_step import Answer, Request, Steps, can_be_shared, given_loss
from seq2seq_lab.training.scheduled_sampling.sampled_token import Argmax
from seq2seq_lab.training.scheduled_sampling.sequential import Sequential
from support.one_by_one import OneByOne
from support.small_runs import small


@dataclass
class Run:
    request: Request | None
    answer: Answer | None = None
    generators: list = field(default_factory=lambda: [torch.Generator().manual_seed(5)])


def runs(*overrides, count=2, ratio=1.0):
    found = []
    for seed in range(count):
        parts = small("model.dropout=0.3", *overrides, seed=seed)
        batch = next(iter(parts.data.train_dataloader()))
        found.append(Run(Request(parts.module.train(), batch, ratio)))
    return found


@pytest.fixture(autouse=True)
def one_by_one(monkeypatch):
    monkeypatch.setattr(pack_step, "stacked", OneByOne)


def test_the_given_loss_has_the_gradients_of_the_own_one():
    run, other = runs()
    for one in (run, other):
        one.request.module.double()
    Steps(print)([run, other])
    assert run.answer is not None
    torch.manual_seed(5)
    loss = run.request.alone()
    own = torch.autograd.grad(loss / 7, list(run.request.module.model.parameters()))
    given = given_loss(run.answer, run.request.module)
    assert torch.equal(given, loss)
    (given / 7).backward()
    for parameter, expected in zip(run.request.module.model.parameters(), own, strict=True):
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-12, atol=1e-14)


def test_a_single_request_is_left_to_its_run():
    (run,) = runs(count=1)
    Steps(print)([run])
    assert run.answer is None


def test_models_of_another_shape_are_left_to_their_runs():
    same, other = runs(), runs("model.dim=8", count=1)
    Steps(print)([other[0], *same])
    assert other[0].answer is None
    assert all(run.answer is not None for run in same)


def test_what_may_be_computed_together():
    (run,) = runs(count=1)
    assert can_be_shared(run.request)
    sampled = Request(run.request.module, run.request.batch, 0.9)
    assert can_be_shared(sampled)

    class Own(Sequential):
        """May do anything."""

    class OwnToken(Argmax):
        """So may this, where it is used."""

    class Weighted(TokenCrossEntropy):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))

    before = run.request.module.loss
    run.request.module.loss = Weighted()
    assert not can_be_shared(run.request)
    run.request.module.loss = before
    run.request.module.scheduled_sampling = Sequential(sampled_token=OwnToken())
    assert can_be_shared(run.request)
    assert not can_be_shared(sampled)
    run.request.module.scheduled_sampling = Own()
    assert not can_be_shared(run.request)


class Broken(OneByOne):
    """Draws, and fails as often as it should."""

    failures: int = 0
    sampler: torch.Generator | None = None

    def logits(self, batches, generators):
        torch.rand(3, generator=generators[0])
        torch.rand(3, generator=type(self).sampler)
        if type(self).failures:
            type(self).failures -= 1
            raise RuntimeError("planted")
        return super().logits(batches, generators)


def test_an_error_leaves_the_requests_to_the_runs_with_their_random_numbers(monkeypatch):
    monkeypatch.setattr(pack_step, "stacked", Broken)
    monkeypatch.setattr(Broken, "failures", 1)
    said = []
    steps, found = Steps(said.append), runs()
    monkeypatch.setattr(Broken, "sampler", found[0].request.module.sampling_generator)
    drawing = [*(run.generators[0] for run in found), Broken.sampler]
    before = [own.get_state() for own in drawing]
    steps(found)
    assert [run.answer for run in found] == [None, None]
    for own, state in zip(drawing, before, strict=True):
        assert torch.equal(own.get_state(), state)
    assert said == []
    steps(found)  # once is no reason to stop trying
    assert all(run.answer is not None for run in found)


@pytest.mark.parametrize(
    ("error", "tries", "text"),
    [
        (NotImplementedError("no seedwise form of X"), 1, "no seedwise form of X"),
        (RuntimeError("y"), 2, "RuntimeError: y"),
    ],
)
def test_what_cannot_work_is_said_once_and_not_tried_again(monkeypatch, error, tries, text):
    asked = []

    def stacked(models):
        asked.append(models)
        raise error

    monkeypatch.setattr(pack_step, "stacked", stacked)
    said = []
    steps, found = Steps(said.append), runs()
    for _ in range(4):
        steps(found)
    assert len(asked) == tries
    assert said == [f"note: the runs of this pack compute their steps one after another ({text})"]
