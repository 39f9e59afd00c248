"""A run that is killed and resumed is one run in Weights & Biases, offline: whole, once, and equal to its files."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seq2seq_lab.files import held
from seq2seq_lab.training.logger.csv_metrics import CsvMetrics
from seq2seq_lab.training.logger.wandb_run import WandbRun
from seq2seq_lab.training.logger.wandb_session import stored_run
from support import wandb_files
from support.small_runs import ROOT
from support.wandb_server import serve

RUN = (
    "debug=tiny", "data=copy", "data.max_length=5", "data.corpus.num_train=16", "data.corpus.num_val=8",
    "data.corpus.num_test=8", "data.batching.batch_size=4", "model.dropout=0.3", "training/logger=wandb",
    "training/callback=[bleu,samples,checkpoint,attention_maps]", "training.callback.checkpoint.every_n_minutes=0.0001",
    "resume=auto",
)  # fmt: skip


def session(folder: Path, *faults: str) -> int:
    """Run train.py until the fault strikes."""
    line = [sys.executable, str(ROOT / "tests" / "support" / "signalled_run.py"), *faults]
    settings = {"PYTHONPATH": str(ROOT / "tests"), "HOME": str(folder / "home")}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **settings}
    line += ["--", *RUN, f"run_dir={folder / 'run'}"]
    done = subprocess.run(
        line, cwd=ROOT, env=environment, capture_output=True, check=False, timeout=180
    )
    return done.returncode


def is_whole(folder: Path) -> None:
    """Demand one session that holds all that the run's files say."""
    run = wandb_files.offline_run(folder)
    wandb_files.rows_are_those_of_the_csv(run, folder)
    result = json.loads((folder / "result.json").read_text())
    found = wandb_files.overview(run)
    assert {name: found["summary"][name] for name in result} == result
    assert (found["run_id"], found["exit_code"]) == (stored_run(folder / "wandb")["id"], 0)
    tables = [row for row in wandb_files.history(run) if any("test/hypotheses" in n for n in row)]
    assert len(tables) == 1


@pytest.fixture(scope="module")
def killed_twice(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    ids = []
    for fault in (("3", "9"), ("test", "9")):
        assert session(folder, *fault) == -9
        ids.append(stored_run(folder / "run" / "wandb").get("id"))
    assert session(folder, "99", "9") == 0
    return folder / "run", ids


def test_a_run_killed_in_training_and_in_its_evaluation_arrives_whole(killed_twice):
    folder, _ = killed_twice
    is_whole(folder)


def test_every_session_has_the_same_id(killed_twice):
    folder, ids = killed_twice
    stored = stored_run(folder / "wandb")["id"]
    assert {*ids, stored} - {None} == {stored}
    assert json.loads((folder / "manifest.json").read_text())["wandb"] == {"id": stored}


def test_planted_losses_are_caught(killed_twice, tmp_path):
    folder = shutil.copytree(killed_twice[0], tmp_path / "run", ignore_dangling_symlinks=True)
    with (folder / "metrics.csv").open("a") as file:
        file.write((folder / "metrics.csv").read_text().splitlines()[-1] + "\n")
    with pytest.raises(AssertionError):
        is_whole(folder)


def first_session(folder: Path) -> None:
    """Log three rows and a table after each, and be killed."""
    logger, csv = WandbRun(), CsvMetrics(folder)
    logger.open(folder, {"name": "a"})
    logger.replay([])
    for step in range(3):
        csv.log_metrics({"loss": 1 / (step + 3)}, step=step)
        logger.log_metrics({"loss": 1 / (step + 3)}, step=step)
        logger.log_table("samples", ["epoch"], [[step]])
    logger._messages.put(None)  # what its process sees when training is killed
    assert logger._process.wait(timeout=60) == 0
    logger.close("failed")


def second_session(folder: Path, num_rows: int) -> None:
    """Go on after so many rows."""
    logger, csv = WandbRun(), CsvMetrics(folder)
    csv.cut(num_rows)
    logger.open(folder, {"name": "a"})
    logger.replay(csv.rows())
    for step in range(num_rows, 4):
        csv.log_metrics({"loss": 1 / (step + 3)}, step=step)
        logger.log_metrics({"loss": 1 / (step + 3)}, step=step)
        logger.log_table("samples", ["epoch"], [[step]])
    logger.close("success")


def tables(folder: Path) -> list[int]:
    """Return the epoch in each table, in the order of history."""
    run = wandb_files.offline_run(folder)
    paths = [row["samples.path"] for row in wandb_files.history(run)]
    return [json.loads((run / "files" / path).read_text())["data"][0][0] for path in paths]


@pytest.mark.parametrize("num_rows", [0, 1, 3])
def test_rows_and_tables_after_the_checkpoint_are_logged_again_and_once(tmp_path, num_rows):
    first_session(tmp_path)
    second_session(tmp_path, num_rows)
    wandb_files.rows_are_those_of_the_csv(wandb_files.offline_run(tmp_path), tmp_path)
    assert tables(tmp_path) == [0, 1, 2, 3]


def test_a_session_that_fails_before_it_has_sent_all_replaces_nothing(tmp_path):
    first_session(tmp_path)
    logger = WandbRun()
    logger.open(tmp_path, {"name": "a"})
    logger.close("failed")
    assert len(wandb_files.offline_runs(tmp_path)) == 2


def test_two_sessions_never_write_at_once(tmp_path, capfd):
    (tmp_path / "wandb").mkdir()
    with held(tmp_path / "wandb" / ".lock"):
        logger = WandbRun(init_timeout=1, finish_timeout=1)
        logger.open(tmp_path, {"name": "a"})
        logger.log_metrics({"a": 1.0}, step=0)
        assert logger._process.wait(timeout=60) == 1
        logger.close("failed")
    assert "an earlier session of the run still writes" in capfd.readouterr().err
    assert wandb_files.offline_runs(tmp_path) == []


def logged(folder: Path, mode: str, num_rows: int, steps: range, status: str = "failed") -> None:
    """Log these steps in a session that goes on after so many rows."""
    logger, csv = WandbRun(mode=mode), CsvMetrics(folder)
    csv.cut(num_rows)
    logger.open(folder, {"name": "a"})
    logger.replay(csv.rows())
    for step in steps:
        csv.log_metrics({"loss": 1 / (step + 3)}, step=step)
        logger.log_metrics({"loss": 1 / (step + 3)}, step=step)
        logger.log_table("samples", ["epoch"], [[step]])
    logger.close(status)


def sync(folder: Path) -> None:
    line = [sys.executable, "-m", "wandb", "sync", "--yes", str(wandb_files.offline_run(folder))]
    subprocess.run(line, check=True, capture_output=True, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize("modes", [("online", "offline"), ("offline", "online")])
def test_a_run_that_changes_its_mode_arrives_once(tmp_path, monkeypatch, modes):
    with serve() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        logged(tmp_path, modes[0], 0, range(3))
        logged(tmp_path, modes[1], 2, range(2, 5), "success")
        if modes[1] == "offline":
            sync(tmp_path)
        history = server.records.run.history
    assert [row["loss"] for row in history if "loss" in row] == [1 / n for n in range(3, 8)]
    assert [row["_step"] for row in history] == sorted({row["_step"] for row in history})
    assert "/runs/" in stored_run(tmp_path / "wandb")["url"]
    assert len(wandb_files.offline_runs(tmp_path)) == (modes[1] == "offline")


@pytest.mark.slow
def test_what_was_synced_between_two_sessions_is_not_sent_again(tmp_path, monkeypatch):
    with serve() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        for begin, end in ((0, 3), (2, 5), (4, 6)):
            logged(tmp_path, "offline", begin, range(begin, end))
            sync(tmp_path)
        history = server.records.run.history
    assert [row["loss"] for row in history if "loss" in row] == [1 / n for n in range(3, 9)]
