"""How long a run took and how it ended: of all its sessions, and only what counts."""

import datetime
import json
import os

import pytest

from seq2seq_lab.errors import NotFiniteError, StoppedError
from seq2seq_lab.training import run_time
from seq2seq_lab.training.run_folder import write_start
from seq2seq_lab.training.run_time import ending_noted, seconds_before
from training.test_run_folder import CONFIG, DATA


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def started(folder):
    write_start(folder, CONFIG, "name: gru_toy\n", DATA)
    return datetime.datetime.fromisoformat(manifest(folder)["started"]).timestamp()


def resumed(folder, seconds, began):
    """Resume from a checkpoint that was written so many seconds after the session began."""
    checkpoint = folder / "checkpoints" / "last.ckpt"
    checkpoint.touch()
    os.utime(checkpoint, (began + seconds, began + seconds))
    write_start(folder, CONFIG, "name: gru_toy\n", DATA, checkpoint)


def test_a_finished_run_has_its_seconds(tmp_path, monkeypatch):
    clock = iter([100.0, 112.5])
    started(tmp_path)
    monkeypatch.setattr(run_time.time, "monotonic", lambda: next(clock))
    with ending_noted(tmp_path):
        pass
    found = manifest(tmp_path)
    assert found["seconds"] == 12.5
    assert found["finished"] >= found["started"]


def test_a_failed_run_has_its_reason_and_the_next_session_takes_it_away(tmp_path):
    began = started(tmp_path)
    with pytest.raises(NotFiniteError), ending_noted(tmp_path):
        raise NotFiniteError("loss is nan\nat step 7")
    assert manifest(tmp_path)["failure"] == "NotFiniteError: loss is nan at step 7"
    assert "seconds" not in manifest(tmp_path)
    resumed(tmp_path, 20, began)
    assert "failure" not in manifest(tmp_path)


def test_a_stopped_run_has_neither(tmp_path):
    started(tmp_path)
    with pytest.raises(StoppedError), ending_noted(tmp_path):
        raise StoppedError("stopped by SIGTERM", 15)
    assert not {"failure", "seconds", "finished"} & set(manifest(tmp_path))


def sessions_add_up(folder):
    began = started(folder)
    resumed(folder, 20, began)
    again = datetime.datetime.fromisoformat(manifest(folder)["resumed"][0]["time"]).timestamp()
    resumed(folder, 5, again)
    assert seconds_before(manifest(folder)) == 25
    with ending_noted(folder):
        pass
    assert manifest(folder)["seconds"] >= 25


def test_sessions_add_up(tmp_path):
    sessions_add_up(tmp_path)


def test_planted_loss_of_the_sessions_before_is_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(run_time, "seconds_before", lambda _: 0.0)
    with pytest.raises(AssertionError):
        sessions_add_up(tmp_path)


def test_a_session_that_saved_nothing_counts_nothing(tmp_path):
    began = started(tmp_path)
    resumed(tmp_path, -3, began)
    assert seconds_before(manifest(tmp_path)) == 0


@pytest.mark.parametrize("content", [{}, {"resumed": [7]}, {"resumed": [{"seconds": "a"}]}])
def test_seconds_of_an_edited_manifest_are_none(content):
    assert seconds_before(content) == 0.0
