"""Whole commands with hydra/launcher=packed: studies, sweeps, failures, signals, and what the same command finishes."""

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from seq2seq_lab.errors import DataError
from seq2seq_lab.study import ledger
from seq2seq_lab.study.matrix import Study
from seq2seq_lab.training import pack_step, session
from support.one_by_one import OneByOne
from support.small_runs import train
from support.small_studies import events, nothing_done_was_run_again, results

RUN = (
    "debug=tiny", "data=copy", "data.max_length=5", "data.corpus.num_train=16", "data.corpus.num_val=8",
    "data.corpus.num_test=8", "data.batching.batch_size=2", "model.dropout=0.3", "training/logger=csv",
    "training/callback=[bleu,early_stopping,checkpoint,progress]", "training.trainer.limit_train_batches=8",
    "training.trainer.accumulate_grad_batches=2",
)  # fmt: skip
"""Two epochs of four steps of two batches: a loss that is divided by a power of two, so no bit changes."""
SEEDS, STUDY = ("-m", *RUN, "seed=1,2"), ("-m", *RUN, "seed=1,2", "study=small")
PACKED = "hydra/launcher=packed"


@pytest.fixture(autouse=True)
def one_by_one(monkeypatch):
    """With the models in turn, on one thread, every number is that of the single run."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(pack_step, "stacked", OneByOne)
    monkeypatch.setattr(OneByOne, "steps", 0)


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """The results of the study by the serial launcher."""
    patch = pytest.MonkeyPatch()
    patch.chdir(tmp_path_factory.mktemp("serial"))
    assert train(*STUDY) == 0
    found = results(study())
    patch.undo()
    return found


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def study() -> Study:
    return Study.load(Path("outputs/studies/small"))


def strike(monkeypatch, step: int, seed: int, action) -> None:
    """Do something in the run of one seed when so many steps are done; once."""
    left = [action]

    class Striking(session.Interruption):
        def on_train_batch_end(self, trainer, module, *_):
            if trainer.global_step == step and module.sampling_generator.initial_seed() == seed:
                while left:
                    left.pop()()

    monkeypatch.setattr(session, "Interruption", Striking)


def manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


def test_a_packed_study_is_the_study(here, serial, capsys):
    assert train(*STUDY, PACKED) == 0
    found = study()
    assert OneByOne.steps == 16
    assert results(found) == serial  # the names of the runs hold their content hashes
    nothing_done_was_run_again(found)
    one, other = found.runs
    assert manifest(found.folder(one))["pack"] == {"with": [other.name], "torch_threads": 1}
    assert manifest(found.folder(one))["hardware"]["torch_threads"] == 1
    assert "epoch 2/2" in (found.folder(one) / "log.txt").read_text()
    out, err = capsys.readouterr()
    assert "epoch" not in err
    assert err.count("packed: every run has batches of its own") == 1
    assert "2 of 2 runs done" in out
    assert train(*STUDY, PACKED) == 0
    assert "2 of 2 runs done (2 of them before)" in capsys.readouterr().out


def test_a_packed_sweep_without_a_name(here, capsys):
    assert train(*SEEDS, "data.seed=1", PACKED) == 0
    assert OneByOne.steps == 16
    runs = [manifest(run) for run in Path("outputs/lstm_attn_copy").iterdir()]
    assert {run["seed"]: run["pack"]["with"] for run in runs} == {1: ["seed=2"], 2: ["seed=1"]}
    out, err = capsys.readouterr()
    assert out.count("Run folder:") == 2
    for number in (1, 2):
        assert f"seed={number}: epoch 2/2" in err
    assert "batches of its own" not in err


def test_a_run_that_fails_leaves_the_others(here, serial, monkeypatch, capsys):
    def fail():
        raise DataError("planted")

    strike(monkeypatch, 3, 2, fail)
    assert train(*STUDY, PACKED) == 8
    assert "1 of 2 runs done" in capsys.readouterr().err
    failed = [e for e in ledger.read(study().ledger) if e.event == "failed"]
    assert [e.reason for e in failed] == ["DataError: planted"]
    assert train(*STUDY, PACKED) == 0  # the other one alone
    assert results(study()) == serial


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_packed_study_and_resume_finishes_it(
    here, serial, monkeypatch, capsys, number
):
    strike(monkeypatch, 3, 2, lambda: os.kill(os.getpid(), number))
    assert train(*STUDY, PACKED) == (130 if number == signal.SIGINT else 143)
    name, err = signal.Signals(number).name, capsys.readouterr().err
    assert f"{name}: every run saves when its step is done; a second signal leaves at once" in err
    assert (
        f"error: stopped by {name} with 2 runs under way; the same command with resume=auto goes on"
        in err
    )
    assert len(events(study(), "interrupted")) == 2
    assert train(*STUDY, PACKED, "resume=auto") == 0
    assert results(study()) == serial
    (resumed,) = manifest(study().folder(study().runs[0]))["resumed"]
    assert resumed["pack"]["torch_threads"] == 1


def test_a_signal_stops_a_packed_sweep_and_each_run_says_how_to_go_on(here, monkeypatch, capsys):
    strike(monkeypatch, 3, 1, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert train(*SEEDS, PACKED) == 143
    err = capsys.readouterr().err
    assert len(re.findall(r"\nstopped by SIGTERM after step \d; saved; resume with: ", err)) == 2
    assert err.count("resume=auto run_dir=outputs/lstm_attn_copy/") == 2
    assert "with 2 runs under way; resume each as it says" in err


def test_what_no_pack_can_have_goes_alone_and_is_said_once(here, capsys):
    assert (
        train(
            *SEEDS, PACKED, "training.trainer.max_time=00:00:10:00", "training.trainer.max_epochs=1"
        )
        == 0
    )
    assert OneByOne.steps == 0
    err = capsys.readouterr().err
    assert (
        err.count("packed: training.trainer.max_time=00:00:10:00: such a run is no part of a pack")
        == 1
    )


@pytest.mark.parametrize("size", ["0", "1.5", "true", "many"])
def test_a_wrong_size_is_refused(here, capsys, size):
    assert train(*SEEDS, PACKED, f"hydra.launcher.size={size}") == 2
    assert (
        f"hydra.launcher.size={size.title() if size == 'true' else size}: must be"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("number", ["0", "-2", "1.5", "true"])
def test_a_wrong_number_of_processes_is_refused(here, capsys, number):
    assert train(*SEEDS, PACKED, f"hydra.launcher.n_jobs={number}") == 2
    assert f"hydra.launcher.n_jobs={number.capitalize()}: must be" in capsys.readouterr().err


def test_the_streams_are_as_before(here):
    before = sys.stdout, sys.stderr, dict(os.environ)
    assert train(*SEEDS, PACKED, "training.trainer.max_epochs=1", "model.dim=-1") != 0
    assert (sys.stdout, sys.stderr, dict(os.environ)) == before
