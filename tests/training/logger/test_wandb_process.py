"""What the process of W&B stores beside what it is told: code and changes, how the run ended, and where it is."""

import json
import subprocess
import sys

import pytest

from seq2seq_lab.training.logger.wandb_run import WandbRun
from support import wandb_files
from support.wandb_server import KEY, serve


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git checkout with an uncommitted change, as the working directory of a program."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    (folder / "train.py").write_text("first\n")
    for words in (
        ["init", "-q"], ["remote", "add", "origin", "https://127.0.0.1/lab.git"], ["add", "."],
        ["commit", "-qm", "a"],
    ):  # fmt: skip
        subprocess.run([*git, *words], check=True)
    (folder / "train.py").write_text("changed\n")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["train.py", "model=gru_attn"])
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)


def test_code_commit_and_uncommitted_changes_are_stored(tmp_path, checkout):
    logger = WandbRun()
    logger.open(tmp_path / "run", {})
    logger.close("success")
    run = wandb_files.offline_run(tmp_path / "run")
    assert "+changed" in (run / "files" / "diff.patch").read_text()
    assert (run / "files" / "code" / "train.py").read_text() == "changed\n"
    assert "torch" in (run / "files" / "requirements.txt").read_text()
    found = wandb_files.contents(run, "environment")[0]
    assert found["git"]["commit"] == checkout.stdout.strip()
    assert found["git"]["remote_url"] == "https://127.0.0.1/lab.git"
    assert (found["program"], found["args"]) == ("train.py", ["model=gru_attn"])


def test_code_is_not_stored_where_wandb_shall_not(tmp_path, checkout, monkeypatch):
    monkeypatch.setenv("WANDB_DISABLE_CODE", "true")
    monkeypatch.setenv("WANDB_DISABLE_GIT", "true")
    logger = WandbRun()
    logger.open(tmp_path / "run", {})
    logger.close("success")
    files = wandb_files.offline_run(tmp_path / "run") / "files"
    assert not (files / "code").exists()
    assert not (files / "diff.patch").exists()


@pytest.mark.parametrize(
    ("status", "code"), [("failed", 1), ("killed", 255), ("preempted", 143), ("success", 0)]
)
def test_how_a_run_ended(tmp_path, status, code):
    logger = WandbRun()
    logger.open(tmp_path, {})
    logger.log_metrics({"a": 1.0}, step=0)
    if status == "failed":
        logger.alert("not finite", "loss is nan")
    logger.close(status)
    run = wandb_files.offline_run(tmp_path)
    kinds = {record["type"] for record in wandb_files.records(run)}
    assert wandb_files.overview(run)["exit_code"] == code
    assert ("preempting" in kinds) == (status == "preempted")
    assert ("alert" in kinds) == (status == "failed")


@pytest.mark.parametrize("place", ["variable", "netrc", "nowhere"])
def test_a_key_alone_puts_the_run_online(tmp_path, monkeypatch, capfd, place):
    (tmp_path / "manifest.json").write_text("{}")
    with serve() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.environment["WANDB_BASE_URL"])
        if place == "variable":
            monkeypatch.setenv("WANDB_API_KEY", KEY)
        if place == "netrc":
            host = server.environment["WANDB_BASE_URL"].removeprefix("http://")
            (tmp_path / "netrc").write_text(f"machine {host} login user password {KEY}\n")
            (tmp_path / "netrc").chmod(0o600)
            monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        logger = WandbRun()
        logger.open(tmp_path, {})
        logger.log_metrics({"a": 1.0}, step=0)
        logger.close("success")
        history = [run.history for run in server.records.runs.values()]
    stored = json.loads((tmp_path / "manifest.json").read_text())["wandb"]
    (line,) = capfd.readouterr().err.splitlines()
    assert ("run at http" in line) == (place != "nowhere")
    assert ("url" in stored) == (place != "nowhere")
    assert len(history) == (place != "nowhere")
