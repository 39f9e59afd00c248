"""The benchmark of a busy neighbour, with a program that says known speeds instead of a training run."""

import signal
import subprocess
import sys

import pytest

from benchmark import neighbour
from benchmark.timing import Rate
from seq2seq_lab.errors import ResourceError

TALKER = """
import os, time
from pathlib import Path
Path("run").mkdir()
speed = "200" if os.environ.get("GOMP_SPINCOUNT") else "100"
with open("run/metrics.csv", "w") as file:
    file.write("train/tokens_per_second\\n")
    while True:
        file.write(f"{speed}\\n")
        file.flush()
        time.sleep(0.005)
"""
WORDS = [sys.executable, "-c", TALKER]


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch):
    monkeypatch.setattr(neighbour, "SECONDS", 0.0)


def test_every_setting_is_measured_alone_and_beside_a_neighbour():
    rates = neighbour.measured(WORDS, {"a": {}, "b": {"GOMP_SPINCOUNT": "1"}}, rounds=1)
    assert {name: rate.median for name, rate in rates.items()} == {
        "a, alone": 100, "a, disturbed": 100, "b, alone": 200, "b, disturbed": 200
    }  # fmt: skip


def test_a_users_variables_do_not_reach_the_programs(monkeypatch):
    monkeypatch.setenv("GOMP_SPINCOUNT", "9")
    assert neighbour.measured(WORDS, {"a": {}}, rounds=1)["a, alone"].median == 100


def test_the_neighbour_is_there_in_the_second_block_only_and_ends_with_it(monkeypatch):
    started, alive = [], []
    popen = subprocess.Popen

    def noted(*words, **settings):
        started.append(popen(*words, **settings))
        return started[-1]

    def block(process, folder, *, warm_up=False):
        alive.append([one.poll() is None for one in started])
        return 1.0

    monkeypatch.setattr(subprocess, "Popen", noted)
    monkeypatch.setattr(neighbour, "block", block)
    neighbour.pair_of_blocks(WORDS, {}, quiet_first=True)
    assert alive == [[True], [True], [True, True]]
    assert [one.poll() for one in started] == [-signal.SIGKILL] * 2


def test_everything_ends_when_the_benchmark_is_stopped(tmp_path):
    started = []

    def stopped() -> None:
        with neighbour.running(WORDS, tmp_path, {}) as one:
            started.append(one)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert [one.returncode for one in started] == [-signal.SIGKILL]


def test_the_neighbour_ends_by_itself_when_its_parent_was_killed():
    parent = (
        "import os, subprocess, sys\n"
        f"line = [sys.executable, '-c', {neighbour.BUSY!r}, str(os.getpid())]\n"
        "print(subprocess.Popen(line).pid, flush=True)\n"
        "sys.stdin.read()"
    )
    line = [sys.executable, "-c", parent]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as process:
        assert int(process.stdout.readline())
        process.kill()
        assert process.stdout.read() == b""  # the end of what the neighbour could write to


def test_a_run_that_ends_is_reported_with_its_last_words(tmp_path):
    line = [sys.executable, "-c", "exit('no data')"]
    with (
        neighbour.running(line, tmp_path, {}) as process,
        pytest.raises(ResourceError, match="no speed in a block; it said: no data"),
    ):
        neighbour.block(process, tmp_path)


def test_the_table_says_which_goals_are_reached(monkeypatch, tmp_path):
    (tmp_path / "train.py").touch()
    monkeypatch.chdir(tmp_path)
    blocks = {"active": (100, 25), "ours": (99, 50), "one thread": (70, 60), "spin 5": (100, 60)}
    rates = {
        f"{name}, {state}": Rate.of([float(speed)])
        for name, both in blocks.items()
        for state, speed in zip(("alone", "disturbed"), both, strict=True)
    }
    monkeypatch.setattr(neighbour, "measured", lambda words, settings, rounds: rates)

    class Arguments:
        rounds, spin = 1, [5]

    found = neighbour.neighbour(Arguments, lambda *_: {})
    assert found["kept_beside_a_busy_process"]["active"] == 0.25
    assert found["says"][-1].startswith(
        "goals of ours: disturbed / alone >= 0.55: not reached, alone / active alone >= 0.98: reached"
    )
