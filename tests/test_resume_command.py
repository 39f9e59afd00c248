"""Stopping and resuming as users do it: whole runs in processes of their own, by the command line."""

import json
import os
import signal
from pathlib import Path

import pytest

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.files import locked
from seq2seq_lab.inference.checkpoint_file import read_checkpoint
from seq2seq_lab.training.run_folder import check_run_folder
from support.resumed_runs import RUN, ends_like
from support.small_runs import ROOT, run_folder, run_script, train


def struck(folder: Path, at_step: int, *numbers: int, line: tuple[str, ...] = RUN):
    """Run train.py as a process that sends itself these signals when so many steps are done."""
    arguments = (at_step, *numbers, "--", *line, f"run_dir={folder}")
    return run_script("tests/support/signalled_run.py", *arguments, PYTHONPATH=str(ROOT / "tests"))


@pytest.fixture(scope="module")
def alone() -> Path:
    return run_folder(*RUN)


def test_a_run_killed_for_good_is_resumed_to_the_same_end(tmp_path, alone):
    folder = tmp_path / "run"
    assert struck(folder, 6, signal.SIGKILL).returncode == -signal.SIGKILL
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
    ended = struck(folder, 3, number, line=(*RUN, late))
    told = ended.stderr.decode()
    assert ended.returncode == code, told
    assert f"stopped by {number.name} after step 3; saved" in told
    assert f"resume=auto run_dir={folder}" in told
    assert read_checkpoint(folder / "checkpoints" / "last.ckpt")["global_step"] == 3
    assert not (folder / ".lock").exists()


@pytest.mark.slow
def test_a_run_stopped_by_a_signal_goes_on_to_the_same_end(tmp_path, alone):
    folder = tmp_path / "run"
    assert struck(folder, 4, signal.SIGTERM).returncode == 143
    assert train(*RUN, f"run_dir={folder}", "resume=auto") == 0
    ends_like(folder, alone)


@pytest.mark.slow
def test_a_second_signal_leaves_at_once(tmp_path):
    folder = tmp_path / "run"
    ended = struck(folder, 3, signal.SIGTERM, signal.SIGINT)
    assert ended.returncode == 130
    assert b"after step 3" not in ended.stderr
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
    ended = struck(tmp_path / "run", 3, signal.SIGTERM, line=("-m", *RUN, "seed=1,2"))
    assert ended.returncode == 143
    assert b"holds a run already" not in ended.stderr


# what is refused


def test_a_second_run_in_the_folder_is_refused_naming_the_first(tmp_path, capsys):
    import socket

    with locked(tmp_path / ".lock", "wait"):
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
