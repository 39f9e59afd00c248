"""Stopping and resuming as users do it: whole runs in processes of their own, by the command line."""

import csv
import json
import os
import signal
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.files import locked
from seq2seq_lab.run_folder import check_run_folder
from seq2seq_lab.training import session
from seq2seq_lab.training.checkpoint_file import read_checkpoint
from small_runs import run_folder, train

RUN = (
    "debug=tiny", "data=copy", "data.max_length=5", "data.corpus.num_train=16", "data.corpus.num_val=8",
    "data.corpus.num_test=8", "data.batching.batch_size=4", "model.dropout=0.3", "logger=csv",
    "training/teacher_forcing=constant", "training/feeding=parallel",
    "training/callback=[bleu,early_stopping,checkpoint]", "training.callback.checkpoint.every_n_minutes=0.0001",
)  # fmt: skip
"""Two epochs of four steps, saved before every step."""


@dataclass
class Ended:
    code: int
    err: str


def in_a_process(folder: Path, at_step: int, strike, *overrides: str) -> Ended:
    """Run train.py in a forked process that calls `strike` when so many steps are done."""
    errors = folder.parent / f"{folder.name}.err"
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            os.dup2(os.open(errors, os.O_CREAT | os.O_TRUNC | os.O_WRONLY), 2)
            sys.stderr = os.fdopen(2, "w")
            session.Interruption = striking(session.Interruption, at_step, strike)
            code = train(*RUN, *overrides, f"run_dir={folder}")
        except BaseException:  # the fork must not go on with pytest's work
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    status = os.waitpid(pid, 0)[1]
    return Ended(os.waitstatus_to_exitcode(status), errors.read_text())


def striking(kind, at_step, strike):
    class Striking(kind):
        def on_train_batch_end(self, trainer, *_):
            if trainer.global_step == at_step:
                strike()

    return Striking


def signals(*numbers):
    return lambda: [os.kill(os.getpid(), number) for number in numbers]


@pytest.fixture(scope="module")
def alone() -> Path:
    return run_folder(*RUN)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def ends_like(folder: Path, alone: Path) -> None:
    """Demand the same result, rows, hypotheses and final weights."""
    assert json.loads((folder / "result.json").read_text()) == json.loads(
        (alone / "result.json").read_text()
    )
    assert rows(folder) == rows(alone)
    for name in ("val", "test"):
        path = f"hypotheses/{name}.jsonl"
        assert (folder / path).read_bytes() == (alone / path).read_bytes()
    one, other = (read_checkpoint(f / "checkpoints" / "last.ckpt") for f in (folder, alone))
    assert one["global_step"] == other["global_step"] == 8
    for name, weight in one["state_dict"].items():
        assert torch.equal(weight, other["state_dict"][name]), name


def test_a_run_killed_for_good_is_resumed_to_the_same_end(tmp_path, alone):
    folder = tmp_path / "run"
    assert in_a_process(folder, 6, signals(signal.SIGKILL)).code == -signal.SIGKILL
    assert not (folder / "result.json").exists()
    assert train(*RUN, f"run_dir={folder}", "resume=auto") == 0
    ends_like(folder, alone)
    (resumed,) = json.loads((folder / "manifest.json").read_text())["resumed"]
    assert resumed["from"] == "last.ckpt"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),
        pytest.param(signal.SIGUSR1, 143, marks=pytest.mark.slow),
    ],
)
def test_a_signal_saves_and_names_the_command_that_goes_on(tmp_path, number, code):
    folder = tmp_path / "run"
    late = "training.callback.checkpoint.every_n_minutes=60.0"
    ended = in_a_process(folder, 3, signals(number), late)
    assert ended.code == code, ended.err
    assert f"stopped by {number.name} after step 3; saved" in ended.err
    assert f"resume=auto run_dir={folder}" in ended.err
    assert read_checkpoint(folder / "checkpoints" / "last.ckpt")["global_step"] == 3
    assert not (folder / ".lock").exists()


@pytest.mark.slow
def test_a_run_stopped_by_a_signal_goes_on_to_the_same_end(tmp_path, alone):
    folder = tmp_path / "run"
    assert in_a_process(folder, 4, signals(signal.SIGTERM)).code == 143
    assert train(*RUN, f"run_dir={folder}", "resume=auto") == 0
    ends_like(folder, alone)


@pytest.mark.slow
def test_a_second_signal_leaves_at_once(tmp_path):
    folder = tmp_path / "run"
    ended = in_a_process(folder, 3, signals(signal.SIGTERM, signal.SIGINT))
    assert ended.code == 130
    assert "after step 3" not in ended.err
    assert read_checkpoint(folder / "checkpoints" / "last.ckpt")["global_step"] == 2


@pytest.mark.slow
def test_a_finished_run_is_only_evaluated_again(tmp_path, alone, capsys):
    folder = tmp_path / "run"
    assert train(*RUN, f"run_dir={folder}") == 0
    (folder / "result.json").unlink()
    assert train(*RUN, f"run_dir={folder}", "resume=auto") == 0
    ends_like(folder, alone)


@pytest.mark.slow
def test_a_sweep_that_is_asked_to_stop_starts_no_other_run(tmp_path):
    ended = in_a_process(tmp_path / "run", 3, signals(signal.SIGTERM), "-m", "seed=1,2")
    assert ended.code == 143
    assert "holds a run already" not in ended.err


# what is refused


def test_a_second_run_in_the_folder_is_refused_naming_the_first(tmp_path, capsys):
    import socket

    with locked(tmp_path / ".lock"):
        assert train(*RUN, f"run_dir={tmp_path}") == 2
    told = capsys.readouterr().err
    assert f"in use by process {os.getpid()} on {socket.gethostname()}" in told
    assert "choose another run_dir" in told
    assert not (tmp_path / "config.yaml").exists()


REFUSED = {
    "auto without a folder": (["resume=auto"], "give it as run_dir=PATH"),
    "no such file": (["resume=nowhere.ckpt"], "no such checkpoint"),
    "not of a run": (["resume={stray}"], "does not lie in the checkpoints/"),
    "two folders": (["resume={last}", "run_dir=elsewhere"], "leave run_dir out"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_resumed_is_refused_by_name(tmp_path, alone, name):
    overrides, words = REFUSED[name]
    stray = tmp_path / "a" / "stray.ckpt"
    stray.parent.mkdir()
    stray.write_text("")
    places = {"stray": stray, "last": alone / "checkpoints" / "last.ckpt"}
    keys = dict(override.format(**places).split("=") for override in overrides)
    with pytest.raises(ConfigError, match=words):
        check_run_folder(keys.get("run_dir"), "name", keys["resume"])


def test_another_config_is_refused_by_its_keys(alone, capsys):
    last = alone / "checkpoints" / "last.ckpt"
    assert train(*RUN, f"resume={last}", "model.dropout=0.5") == 2
    assert "model.dropout: 0.3 -> 0.5" in capsys.readouterr().err
