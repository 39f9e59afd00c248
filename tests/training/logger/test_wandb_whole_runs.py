"""Whole runs of train.py against the stand-in for a W&B server: killed and resumed, online and synced, misused."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.resumed_runs import RUN, ends_like, rows
from support.small_runs import ROOT, run_folder
from support.wandb_server import Server, serve
from support.wandb_server_records import Run

pytest.importorskip("wandb")

LOGGED = tuple(word for word in RUN if word != "training/logger=csv")
ONLINE = ("training.logger.wandb.mode=online",)
TIMES = ("training.logger.wandb.init_timeout=10", "training.logger.wandb.finish_timeout=20")


def process(folder: Path, line: list[str], variables: dict[str, str]) -> tuple[int, str]:
    """Run Python as a process without an account of its own; return its exit code and what it said."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("WANDB")}
    clean |= {"HOME": str(folder), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(
        [sys.executable, *line],
        cwd=folder,
        env=clean | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def session(folder: Path, variables: dict[str, str], *words: str, killed_at: int = 0) -> str:
    """Train, or go on, in `folder`/run; the kill comes when so many steps are done."""
    kill = ["tests/support/signalled_run.py", str(killed_at), str(int(signal.SIGKILL)), "--"]
    first = kill if killed_at else ["train.py"]
    line = [str(ROOT / first[0]), *first[1:], *LOGGED, "training/logger=wandb", *TIMES]
    line += [f"run_dir={folder / 'run'}", "resume=auto", *words]
    code, said = process(folder, line, variables)
    assert code == (-signal.SIGKILL if killed_at else 0), said
    return said


def killed_twice(folder: Path, variables: dict[str, str], *words: str) -> None:
    for step in (3, 6, 0):
        session(folder, variables, *words, killed_at=step)


def numbers(run: Run, names: set[str]) -> list[dict[str, float]]:
    """Return the rows of metrics among the history of a run, each number by its name."""
    found = [{name: row[name] for name in row if name in names} for row in run.history]
    return [row for row in found if row.keys() > {"step"}]


def arrived_unbroken(server: Server, folder: Path) -> None:
    """Demand one finished run whose rows are those of metrics.csv, once and in order."""
    kept: list[dict[str, Any]] = [
        {name: float(value) for name, value in row.items() if value} for row in rows(folder / "run")
    ]
    assert len(kept) > 10
    run = server.records.run
    assert numbers(run, {name for row in kept for name in row}) == kept
    steps = run.column("_step")
    assert steps == sorted(set(steps))
    assert (run.state, run.exit_code) == ("finished", 0)
    result = json.loads((folder / "run" / "result.json").read_text(encoding="utf-8"))
    assert run.summary["test/bleu"] == result["test/bleu"]


def test_a_run_killed_twice_is_one_run_online(tmp_path):
    with serve() as server:
        killed_twice(tmp_path, server.environment, *ONLINE)
    arrived_unbroken(server, tmp_path)
    ends_like(tmp_path / "run", run_folder(*RUN))


def sync(server: Server, folder: Path) -> None:
    """Send what lies in the run's folder and was not sent before."""
    found = sorted((folder / "run" / "wandb").glob("offline-run-*"))
    line = ["-m", "wandb", "sync", "--yes", *map(str, found)]
    code, said = process(folder, line, server.environment)
    assert code == 0, said


@pytest.mark.slow
def test_a_run_killed_twice_offline_is_synced_as_one_run(tmp_path):
    with serve() as server:
        killed_twice(tmp_path, {})
        assert server.requests == []
        sync(server, tmp_path)
    arrived_unbroken(server, tmp_path)


@pytest.mark.slow
def test_a_run_that_is_synced_between_two_offline_sessions_arrives_once(tmp_path):
    with serve() as server:
        session(tmp_path, {}, killed_at=6)
        sync(server, tmp_path)
        assert server.records.run.column("train/loss")
        session(tmp_path, {})
        sync(server, tmp_path)
    arrived_unbroken(server, tmp_path)


SLOW = [pytest.param(mood, marks=pytest.mark.slow) for mood in (401, 500)]


@pytest.mark.parametrize("mood", ["silent", *SLOW])
def test_a_server_in_a_bad_mood_harms_no_run(tmp_path, mood):
    short = ("training.logger.wandb.init_timeout=2", "training.logger.wandb.finish_timeout=2")
    with serve(mood) as server:
        said = session(tmp_path, server.environment, *ONLINE, *short)
        assert server.requests
    assert said.count("W&B: ") <= 2, said
    ends_like(tmp_path / "run", run_folder(*RUN))


@pytest.mark.slow
def test_a_server_that_falls_silent_harms_no_run(tmp_path):
    class Falling(Server):
        """Answers until the first rows arrive."""

        def mood_for(self, path: str) -> Any:
            self.mood = "silent" if path.endswith("file_stream") else self.mood
            return self.mood

    with serve(kind=Falling) as server:
        short = "training.logger.wandb.finish_timeout=3"
        session(tmp_path, server.environment, *ONLINE, short)
        assert server.mood == "silent"
    ends_like(tmp_path / "run", run_folder(*RUN))


def test_a_broken_run_is_noticed():
    """The check of rows can fail: a row that came twice, one that is missing."""
    row = {"step": 1, "a": 2.0}
    run = Run("a", "tester", "p", history=[{**row, "_step": 0}, {**row, "_step": 1}, {"step": 1}])
    assert numbers(run, {"step", "a"}) == [row, row] != [row]
