"""Packed studies as real processes, one or several side by side: killed, stopped, finished by the same command."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from seq2seq_lab.study import ledger
from seq2seq_lab.study.matrix import Study
from support.small_studies import ROOT, events, kill, nothing_done_was_run_again, results, start

SWEEP = (
    "-m", "debug=tiny", "data=copy", "data.max_length=5", "data.corpus.num_train=16", "data.corpus.num_val=8",
    "data.corpus.num_test=8", "data.batching.batch_size=2", "model.dropout=0.3", "training/logger=csv",
    "training/callback=[bleu,checkpoint]", "training.trainer.limit_train_batches=8", "training.trainer.max_epochs=12",
    "training/scheduled_sampling/schedule=linear", "training.scheduled_sampling.schedule.duration=40",
    "seed=1,2,3", "study=small",
)  # fmt: skip
"""Three runs whose inputs are sampled more and more."""
PACKED = "hydra/launcher=packed"
TWO = "hydra.launcher.n_jobs=2"
pytestmark = pytest.mark.slow


class Command:
    """A command in a folder of its own; whatever is left of it ends with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.started = folder, []
        folder.mkdir()

    def start(self, *more: str):
        words = {"script": str(ROOT / "train.py"), "WANDB_MODE": "offline"}
        self.started.append(start(self.folder, *SWEEP, *more, **words))
        return self.started[-1]

    def wait_for_checkpoints(self, count: int) -> None:
        end, command = time.monotonic() + 120, self.started[-1]
        while len(list(self.folder.glob("**/*.ckpt"))) < count:
            assert command.poll() is None, command.communicate()[1].decode()[-2000:]
            assert time.monotonic() < end
            time.sleep(0.02)

    def finish(self, *more: str) -> Study:
        command = self.start(*more)
        said = command.communicate(timeout=200)[1].decode()
        assert command.returncode == 0, said[-2000:]
        return Study.load(self.place)

    @property
    def place(self) -> Path:
        return self.folder / "outputs" / "studies" / "small"

    def close(self) -> None:
        for command in self.started:
            if command.poll() is None:
                kill(command.pid)
                command.communicate(timeout=60)


@pytest.fixture
def command(tmp_path):
    made = Command(tmp_path / "packed")
    yield made
    made.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The numbers by the serial launcher."""
    made = Command(tmp_path_factory.mktemp("serial") / "whole")
    try:
        return results(made.finish())
    finally:
        made.close()


def is_like(found: Study, whole: dict, started: int) -> None:
    nothing_done_was_run_again(found)
    assert len(events(found, "started")) == started
    for run, numbers in results(found).items():
        assert numbers == pytest.approx(whole[run], rel=1e-3)


@pytest.mark.parametrize("more", [(), (TWO,)], ids=["one process", "two"])
def test_a_killed_command_is_finished_by_the_same_command(command, whole, more):
    """kill -9 of the command; its workers end with it."""
    process = command.start(PACKED, *more)
    command.wait_for_checkpoints(6)
    kill(process.pid)
    process.communicate(timeout=60)
    assert not [e for e in ledger.read(command.place / "ledger.jsonl") if e.event == "done"]
    found = command.finish(PACKED, *more, "resume=auto")
    is_like(found, whole, started=6)
    manifest = json.loads((found.folder(found.runs[0]) / "manifest.json").read_text())
    assert manifest["resumed"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_packs_side_by_side_save_when_the_command_is_asked_to_stop(command, whole, number):
    process = command.start(PACKED, TWO)
    command.wait_for_checkpoints(6)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.terminate()
    said = process.communicate(timeout=150)[1].decode()
    assert process.returncode == (130 if number == signal.SIGINT else 143), said[-2000:]
    name = signal.Signals(number).name
    assert f"stopped by {name} with 3 runs under way; the same command with resume=auto" in said
    assert "Traceback" not in said
    assert len(events(Study.load(command.place), "interrupted")) == 3
    is_like(command.finish(PACKED, TWO, "resume=auto"), whole, started=6)


def test_packs_side_by_side_are_the_study(command, whole):
    found = command.finish(PACKED, TWO)
    is_like(found, whole, started=3)
    packs = [
        json.loads((found.folder(run) / "manifest.json").read_text())
        .get("pack", {})
        .get("with", [])
        for run in found.runs
    ]
    assert sorted(map(len, packs)) == [0, 1, 1]
