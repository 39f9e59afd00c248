"""Several models computed at once: a run follows its single run up to rounding; its checkpoint is a single run's."""

import math
from dataclasses import dataclass, field

import pytest
import pytorch_lightning as pl
import torch

from seq2seq_lab.model.seedwise.model import Seedwise
from seq2seq_lab.training import pack_step
from seq2seq_lab.training.callback.ema import Ema
from seq2seq_lab.training.pack_step import Answer, Request, Steps
from support.packed_runs import outcomes, pack_of, train_seed
from support.resume_equality import outcome
from support.small_runs import small

SEEDS, THREE = (1, 2), (1, 2, 3)
LONG = ("data.corpus.num_train=40", "data.batching.batch_size=4")
"""Ten steps an epoch."""
STEPS = {"max_steps": 50, "max_epochs": 5, "accumulate_grad_batches": 1}


class Losses(pl.Callback):
    """Notes the loss of every step."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, trainer, module, outputs, *_):
        self.seen.append(float(outputs["loss"]))


def curves(folder, *overrides, seeds=SEEDS, **settings):
    """Return the losses of each seed alone and of each in a pack."""
    alone, packed = ({s: Losses() for s in seeds} for _ in range(2))
    for s in seeds:
        train_seed(folder / f"alone{s}", s, *overrides, callbacks=[alone[s]], **settings)
    more = {s: {"callbacks": [packed[s]]} for s in seeds}
    outcomes(pack_of(folder, seeds, *overrides, more=more, **settings))
    return [log.seen for log in alone.values()], [log.seen for log in packed.values()]


def the_same_curves(folder, *overrides, limit=1e-4, **settings):
    alone, packed = curves(folder, *overrides, **settings)
    for one, other in zip(packed, alone, strict=True):
        assert len(one) == len(other) >= 20
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) < limit
    assert packed[0] != packed[1]


@pytest.fixture(autouse=True)
def stacks(monkeypatch):
    """Count the stacks of models that were made."""
    made = []
    monkeypatch.setattr(
        pack_step, "stacked", lambda models: made.append(len(models)) or Seedwise(models)
    )
    return made


@pytest.mark.parametrize(
    "batches",
    [
        pytest.param("data.seed=${seed}", id="own"),
        pytest.param("data.seed=1", id="same", marks=pytest.mark.slow),
    ],
)
def test_losses_follow_the_single_run(tmp_path, stacks, batches):
    the_same_curves(tmp_path, *LONG, batches, **STEPS)
    assert stacks == [2]


@pytest.mark.parametrize("kind", ["sequential", pytest.param("parallel", marks=pytest.mark.slow)])
def test_losses_of_scheduled_sampling_follow_the_single_run(tmp_path, stacks, kind):
    """The ratio falls from 1 below it, so both ways of a step are taken; drawn tokens are those of the run alone."""
    group, key = "training/scheduled_sampling", "training.scheduled_sampling.schedule"
    choices = (f"{group}={kind}", f"{group}/schedule=linear", f"{group}/sampled_token=sample")
    falling = (f"{key}.duration=16", f"{key}.warmup=2")
    steps = {"max_steps": 20, "max_epochs": 2, "accumulate_grad_batches": 1}
    the_same_curves(tmp_path, *LONG, *choices, *falling, **steps)
    assert stacks == [2]


def test_accumulated_batches_follow_the_single_run(tmp_path, stacks):
    the_same_curves(tmp_path, *LONG, "data.batching.batch_size=2", max_steps=20, max_epochs=5)
    assert stacks == [2]


def test_planted_gradients_of_another_run_are_caught(tmp_path, monkeypatch):
    gradients = Seedwise.gradients
    monkeypatch.setattr(Seedwise, "gradients", lambda self: gradients(self)[::-1])
    with pytest.raises(AssertionError):
        the_same_curves(tmp_path, *LONG, **{**STEPS, "max_epochs": 2})


def test_planted_gradients_that_are_kept_between_batches_are_caught(tmp_path, monkeypatch):
    """A gradient given back may be held by its run until the optimizer's step: nobody else may write to it."""
    begin = Seedwise.begin

    def keep(self, *arguments):
        before = [p.grad for p in self._stacked]
        made = begin(self, *arguments)
        for parameter, gradient in zip(self._stacked, before, strict=True):
            parameter.grad = None if gradient is None else gradient.zero_()
        return made

    monkeypatch.setattr(Seedwise, "begin", keep)
    with pytest.raises(AssertionError):
        the_same_curves(tmp_path, *LONG, "data.batching.batch_size=2", max_steps=20, max_epochs=5)


def test_one_that_stops_early_leaves_the_others_together(tmp_path, stacks):
    pack = pack_of(tmp_path, THREE, more={2: {"patience": 1}})
    ends = [one["last"]["global_step"] for one in outcomes(pack)]
    assert ends == [12, 8, 12]
    assert stacks == [3, 2]


def test_averaged_weights_follow_the_single_run(tmp_path):
    for s in SEEDS:
        train_seed(tmp_path / f"alone{s}", s, callbacks=[Ema(decay=0.5)])
    found = outcomes(
        pack_of(tmp_path, SEEDS, more={s: {"callbacks": [Ema(decay=0.5)]} for s in SEEDS})
    )
    for s, one in zip(SEEDS, found, strict=True):
        close(one, outcome(tmp_path / f"alone{s}", {}))


def close(one, other):
    for name, weight in other["last"]["state_dict"].items():
        torch.testing.assert_close(one["last"]["state_dict"][name], weight, rtol=1e-3, atol=1e-4)


def test_a_checkpoint_of_a_pack_is_one_of_a_single_run(tmp_path):
    """It loads into a model alone, and the run goes on alone to where the single run ends."""
    pack_of(tmp_path, SEEDS, max_epochs=1)
    first = outcome(tmp_path / "packed1", {})["last"]
    module = small("seed=1").module
    module.load_state_dict(first["state_dict"])
    shapes = [state["exp_avg"].shape for state in first["optimizer_states"][0]["state"].values()]
    assert shapes == [p.shape for p in module.parameters()]
    assert all(p.is_contiguous() for p in first["state_dict"].values())
    train_seed(tmp_path / "packed1", 1, max_epochs=3)
    train_seed(tmp_path / "alone1", 1, max_epochs=1)
    train_seed(tmp_path / "alone1", 1, max_epochs=3)
    last = outcome(tmp_path / "packed1", {})
    assert last["last"]["global_step"] == 12
    assert all(math.isfinite(float(p.sum())) for p in last["last"]["state_dict"].values())
    close(last, outcome(tmp_path / "alone1", {}))


@dataclass
class Run:
    request: Request
    answer: Answer | None = None
    generators: list = field(default_factory=lambda: [torch.Generator().manual_seed(5)])


def test_parts_in_threads_give_the_same_numbers():
    found = []
    for threads in (1, 2):
        parts = [small("model.dropout=0.3", seed=s) for s in range(3)]
        batches = [next(iter(one.data.train_dataloader())) for one in parts]
        runs = [Run(Request(p.module.train(), b, 1.0)) for p, b in zip(parts, batches, strict=True)]
        Steps(print, threads)(runs)
        found.append([(run.answer.value, run.answer.gradients) for run in runs])
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)
