"""kill -9 of a study's command, of one of its workers, of all at once: the same command finishes it."""

import random
import signal
import time

import pytest

from seq2seq_lab.study import ledger
from support.small_runs import ROOT
from support.small_studies import (
    SWEEP,
    children,
    kill,
    nothing_done_was_run_again,
    results,
    start,
    study,
)

pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
LOCAL = ("hydra/launcher=local", "hydra.launcher.n_jobs=2")
REAL = (
    "-m", "study=small", "model=lstm,lstm_attn", "seed=1,2", "debug=tiny", "data=copy",
    "data.corpus.num_train=64", "training.trainer.max_epochs=3", "training/logger=csv",
)  # fmt: skip


def finish(folder, *arguments, **settings):
    """Run the command to its end and return the study."""
    process = start(folder, *arguments, **settings)
    err = process.communicate(timeout=280)[1]
    assert process.returncode == 0, err.decode()
    return study(folder / "outputs" / "studies" / "small")


def wait_for_events(folder, count, process):
    book = folder / "outputs" / "studies" / "small" / "ledger.jsonl"
    end = time.monotonic() + 200
    while len(ledger.read(book)) < count:
        if process.poll() is not None:
            return
        assert time.monotonic() < end
        time.sleep(0.01)


def one_kill(folder, victim, moment, arguments, **settings):
    """Start the command, kill after so many seconds of work; a victim that is left ends as it will."""
    process = start(folder, *arguments, **settings)
    runs = 6 if "model.dim=16,32" in arguments else 4
    wait_for_events(folder, runs + 1, process)
    time.sleep(moment)
    workers = children(process)
    if victim != "command":
        for worker in workers[: 1 if victim == "worker" else None]:
            kill(worker)
    if victim != "worker":
        kill(process.pid)
    process.communicate(timeout=280)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return results(finish(tmp_path_factory.mktemp("undisturbed"), *SWEEP))


def wait_until(condition, process, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
def test_the_other_runs_go_on_when_a_worker_is_killed(tmp_path, undisturbed):
    """One of two workers is killed: the same command goes on. Then the command is killed: the next finishes."""
    arguments = (*SWEEP, "hydra/launcher=local", "hydra.launcher.n_jobs=2")
    first = start(tmp_path, *arguments, SMALL_STUDY_SECONDS="0.7")
    place = tmp_path / "outputs" / "studies" / "small"
    wait_until(lambda: place.exists() and len(ledger.read(place / "ledger.jsonl")) >= 10, first)
    kill(children(first)[0])
    wait_until(lambda: len(ledger.read(place / "ledger.jsonl")) >= 13, first)
    first.send_signal(signal.SIGKILL)
    assert b"a worker was killed" in first.communicate()[1]
    again = start(tmp_path, *arguments)
    err = again.communicate(timeout=100)[1]
    assert again.returncode == 0, err.decode()
    found = study(place)
    nothing_done_was_run_again(found)
    assert results(found) == undisturbed


KILLS = random.Random(20)
MOMENTS = [
    (victim, round(KILLS.uniform(0.0, 2.0), 2))
    for victim in ("command", "worker", "both", "command", "worker", "both", "command", "worker", "both", "both")
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("victim", "moment"), MOMENTS)
def test_a_study_survives_a_kill_at_any_moment(tmp_path, undisturbed, victim, moment):
    settings = {"SMALL_STUDY_SECONDS": "0.5"}
    one_kill(tmp_path, victim, moment, (*SWEEP, *LOCAL), **settings)
    found = finish(tmp_path, *SWEEP, *LOCAL)
    nothing_done_was_run_again(found)
    assert results(found) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["worker", "both"])
def test_real_runs_give_the_same_numbers_after_a_kill(tmp_path, victim):
    for name in ("plain", "killed"):
        (tmp_path / name).mkdir()
    script = str(ROOT / "train.py")
    plain = finish(tmp_path / "plain", *REAL, script=script)
    one_kill(tmp_path / "killed", victim, 15.0, (*REAL, *LOCAL), script=script)
    found = finish(tmp_path / "killed", *REAL, *LOCAL, script=script)
    nothing_done_was_run_again(found)
    assert results(found) == results(plain)
    tables = [(one.place / "report" / "table.csv").read_bytes() for one in (plain, found)]
    assert tables[0] == tables[1]
