"""O: a run of a pack is the run that it is alone, but for how the losses and gradients of its batches are computed."""

import os
import signal
import sys
import threading

import pytest
import pytorch_lightning as pl
import torch

from seq2seq_lab.errors import DataError, NotFiniteError, StoppedError
from seq2seq_lab.training import pack as packs
from seq2seq_lab.training import pack_step
from seq2seq_lab.training.callback.ema import Ema
from seq2seq_lab.training.datamodule import Seq2SeqDataModule
from seq2seq_lab.training.pack import Pack
from support.one_by_one import OneByOne
from support.packed_runs import alone, outcomes, pack_of, train_seed
from support.resume_equality import outcome, the_same

SEEDS = (1, 2)


@pytest.fixture(autouse=True)
def steps(monkeypatch):
    """Compute the common steps one by one: then every number must be equal, bit by bit."""
    monkeypatch.setattr(pack_step, "stacked", OneByOne)
    monkeypatch.setattr(OneByOne, "steps", 0)


class At(pl.Callback):
    """Does something once, when so many steps are done."""

    def __init__(self, step, action, hook="on_train_batch_end"):
        super().__init__()
        self.step, self.action = step, action
        setattr(self, hook, self._act)

    def _act(self, trainer, *_):
        if trainer.global_step == self.step:
            self.action()


def fails(error):
    def action():
        raise error

    return action


def packed_equals_alone(folder, *overrides, **settings):
    expected = alone(folder, SEEDS, *overrides, **settings)
    found = outcomes(pack_of(folder, SEEDS, *overrides, **settings))
    for one, other in zip(found, expected, strict=True):
        the_same(one, other)
    return found


@pytest.mark.parametrize(
    ("overrides", "settings"),
    [
        ((), {}),
        (("data.seed=1", "training/lr_schedule=plateau"), {"gradient_clip_val": 0.1}),
        (("training/lr_schedule=linear", "training/optimizer=sgd"), {"precision": "64-true"}),
    ],
    ids=["own batches", "same batches", "float64"],
)
def test_a_run_of_a_pack_is_the_run_alone(tmp_path, overrides, settings):
    one, other = packed_equals_alone(tmp_path, *overrides, **settings)
    assert OneByOne.steps == 24
    assert one["rows"] != other["rows"]
    assert torch.get_default_dtype() == torch.float32


def test_the_mean_of_a_single_batch_equals_that_alone_up_to_rounding(tmp_path):
    settings = {"accumulate_grad_batches": 1, "precision": "64-true"}
    expected = alone(tmp_path, SEEDS, "training/optimizer=sgd", **settings)
    found = outcomes(pack_of(tmp_path, SEEDS, "training/optimizer=sgd", **settings))
    for one, other in zip(found, expected, strict=True):
        for name, weight in other["last"]["state_dict"].items():
            torch.testing.assert_close(
                one["last"]["state_dict"][name], weight, rtol=1e-9, atol=1e-12
            )


def test_planted_common_random_numbers_are_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(packs.Member, "restore", lambda self: None)
    with pytest.raises(AssertionError):
        packed_equals_alone(tmp_path)


def test_averaged_weights_in_a_pack(tmp_path):
    settings = {s: {"callbacks": [Ema(decay=0.5)]} for s in SEEDS}
    for s in SEEDS:
        train_seed(tmp_path / f"alone{s}", s, callbacks=[Ema(decay=0.5)])
    found = outcomes(pack_of(tmp_path, SEEDS, more=settings))
    for s, one in zip(SEEDS, found, strict=True):
        the_same(one, outcome(tmp_path / f"alone{s}", {}))


def test_what_is_not_teacher_forced_is_computed_alone(tmp_path):
    half = (
        "training/scheduled_sampling/schedule=constant",
        "training.scheduled_sampling.schedule.ratio=0.5",
    )
    packed_equals_alone(tmp_path, *half, max_epochs=1)
    assert OneByOne.steps == 0


def test_one_stops_early_and_one_fails_while_the_others_go_on(tmp_path):
    seeds = (1, 2, 3, 4)
    early = {"patience": 1}
    bad = {"callbacks": [At(5, fails(NotFiniteError("planted")))]}
    pack = pack_of(tmp_path, seeds, more={2: early, 3: bad})
    assert isinstance(pack.members[2].error, NotFiniteError)
    assert outcome(pack.members[1].value, {})["last"]["global_step"] == 8
    expected = alone(tmp_path, (1, 4))
    for number, one in zip((0, 3), expected, strict=True):
        the_same(outcome(pack.members[number].value, {}), one)
    assert OneByOne.steps == 24


def test_runs_that_are_resumed_at_other_steps(tmp_path):
    expected = alone(tmp_path, SEEDS)
    stop = {
        1: {"callbacks": [At(5, fails(DataError("a")))]},
        2: {"callbacks": [At(2, fails(DataError("b")))]},
    }
    pack = pack_of(tmp_path, SEEDS, more=stop)
    assert [str(member.error) for member in pack.members] == ["a", "b"]
    for one, other in zip(outcomes(pack_of(tmp_path, SEEDS)), expected, strict=True):
        the_same(one, other)


def test_a_run_of_a_pack_goes_on_alone(tmp_path):
    pack_of(tmp_path, SEEDS, more={1: {"callbacks": [At(6, fails(DataError("a")))]}})
    train_seed(tmp_path / "packed1", 1)
    the_same(outcome(tmp_path / "packed1", {}), *alone(tmp_path, (1,)))


def test_a_signal_makes_all_runs_save_and_stop(tmp_path, capsys):
    expected = alone(tmp_path, SEEDS)
    ask = {2: {"callbacks": [At(5, lambda: os.kill(os.getpid(), signal.SIGTERM))]}}
    pack = pack_of(tmp_path, SEEDS, more=ask)
    assert pack.signal == signal.SIGTERM
    for s, member in zip(SEEDS, pack.members, strict=True):
        assert isinstance(member.error, StoppedError)
        assert str(member.error).endswith(f"saved; resume with: again {s}")
        assert member.error.exit_code == 143
    assert "SIGTERM: every run saves when its step is done" in capsys.readouterr().err
    for one, other in zip(outcomes(pack_of(tmp_path, SEEDS)), expected, strict=True):
        the_same(one, other)


def test_a_signal_ends_a_run_that_does_not_train_where_it_is(tmp_path):
    reached = []

    def first():
        os.kill(os.getpid(), signal.SIGINT)
        while True:
            threading.Event().wait(0.01)

    pack = Pack([("a", first), ("b", lambda: reached.append("b"))])
    pack.run()
    assert isinstance(pack.members[0].error, StoppedError)
    assert str(pack.members[0].error) == "stopped by SIGINT"
    assert pack.members[0].error.exit_code == 130
    assert reached == []
    assert not pack.members[1].is_started


def test_each_run_has_streams_and_environment_of_its_own(capsys):
    seen = []

    def run(name):
        sys.stdout = sys.stderr
        os.environ["SEQ2SEQ_LAB_PLANTED"] = name
        with packs.away():
            pass
        seen.append((os.environ["SEQ2SEQ_LAB_PLANTED"], sys.stdout is sys.stderr))

    before = sys.stdout
    Pack([(name, lambda name=name: run(name)) for name in "ab"]).run()
    assert seen == [("a", True), ("b", True)]
    assert sys.stdout is before
    assert "SEQ2SEQ_LAB_PLANTED" not in os.environ


def test_others_work_while_one_waits_for_a_process():
    order, may_end = [], threading.Event()

    def waits():
        with packs.away():
            assert may_end.wait(20)
        order.append("waited")

    def works():
        order.append("worked")
        may_end.set()

    Pack([("a", waits), ("b", works)]).run()
    assert order == ["worked", "waited"]


def test_equal_data_are_read_once(tmp_path, monkeypatch):
    read = []
    setup = Seq2SeqDataModule.setup
    monkeypatch.setattr(
        Seq2SeqDataModule, "setup", lambda self, stage=None: (read.append(1), setup(self))[1]
    )
    from seq2seq_lab.config.build import build
    from seq2seq_lab.config.compose import compose

    def run(*overrides):
        node = compose(["data=copy", "data.corpus.num_train=8", *overrides])["data"]
        data = build(node)
        packs.set_up(data, node)
        return data

    tasks = [
        ("a", lambda: run("seed=1")),
        ("b", lambda: run("seed=2")),
        ("c", lambda: run("data.corpus.num_train=9")),
    ]
    pack = Pack(tasks)
    pack.run()
    one, same, other = (member.value for member in pack.members)
    assert len(read) == 2
    assert one.encoded is same.encoded
    assert [d.seed for d in (one, same)] == [1, 2]
    assert len(other.pairs["train"]) == 9
    assert len(run().encoded["train"]) == 8
    assert len(read) == 3
