"""Studies by submitit: as jobs of SLURM, which a stand-in on PATH plays, and as processes; killed in several ways."""

import json
import os
import signal
import subprocess

import pytest

from support import slurm_stand_in
from support.cluster_studies import FAKE, REAL, ClusterStudy, environment, serial_numbers

pytest.importorskip("submitit", reason="needs pip install 'seq2seq-lab[slurm]'")
pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
SLURM = ("hydra/launcher=slurm", "hydra.launcher.gpus_per_node=null")
FEW = ("-m", "study=small", "model.dim=16,32", "seed=1,2")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    return serial_numbers(tmp_path_factory.mktemp("serial"), FAKE)


class SlurmStudy(ClusterStudy):
    """The study and its queue."""

    def __init__(self, folder, sweep, **variables):
        self.queue = folder / "slurm" / "queue"
        commands = slurm_stand_in.install(folder / "slurm")
        super().__init__(folder, sweep, SLURM, **environment(front=str(commands), **variables))

    def call(self, name, *arguments):
        line = [self.queue.parent / "bin" / name, *arguments]
        return subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout

    def task_of(self, run):
        """Return JOB_TASK of a run."""
        known = json.loads((self.place / "launcher" / "jobs.json").read_text())
        return next(job for place, job in known.items() if place.strip("'\"").endswith(run))

    def sent(self):
        """Return how many tasks were ever sent."""
        return len(list(self.queue.glob("*/*.state")))

    def close(self):
        try:
            super().close()
        finally:
            slurm_stand_in.stop(self.queue.parent)


@pytest.fixture
def slurm(tmp_path):
    found = []

    def start(sweep=FAKE, **variables):
        found.append(SlurmStudy(tmp_path, sweep, **variables))
        return found[0]

    yield start
    for one in found:
        one.close()


def test_a_study_survives_whatever_happens_to_its_jobs(slurm, serial):
    """kill -9 of a job, the end of a job's time, scancel, kill -9 of the command: the same command ends it."""
    study = slurm(SMALL_STUDY_SECONDS="1")
    study.start()
    study.wait_for("started", 3)
    killed = study.kill_a_run()
    study.wait_for("started", 6)
    late = study.under_way()[-1]
    study.call("scancel", study.task_of(late), "--signal", "USR2")
    study.wait_for("started", 9)
    cancelled = study.under_way()[-1]
    study.call("scancel", study.task_of(cancelled))
    study.wait_for("started", 11)
    study.kill_command()  # the jobs that wait or run go on
    said = study.finish()
    study.is_like(serial)
    assert {killed, late, cancelled} <= set(study.events("interrupted"))
    assert study.sent() == 24 + 2  # the one whose time ended is the same job, queued again
    assert "was killed" not in said


def test_a_job_that_is_killed_is_sent_again_by_the_same_command(slurm):
    study = slurm(FEW, SMALL_STUDY_SECONDS="1")
    command = study.start()
    study.wait_for("started", 2)
    killed = study.kill_a_run()
    assert f"{killed} was killed: job 1" in study.finish(command)
    assert len(study.events("done")) == 4
    assert study.sent() == 5


def test_a_job_that_is_cancelled_is_not_sent_again_by_the_same_command(slurm):
    study = slurm(FEW, SMALL_STUDY_SECONDS="1")
    command = study.start()
    study.wait_for("started", 2)
    run = study.under_way()[-1]
    study.call("scancel", study.task_of(run))
    err = study.said(command)
    assert command.returncode == 8
    assert f"3 of 4 runs done; {run} interrupted: stopped by SIGTERM" in err
    assert "Traceback" not in err
    assert study.sent() == 4


def test_real_runs_give_the_numbers_of_a_serial_study(slurm, tmp_path_factory):
    study = slurm(REAL)
    study.start()
    study.wait_for("started", 3)
    killed = study.kill_a_run()
    study.wait_for("done", 4)
    study.kill_command()
    study.finish()
    assert killed in study.events("interrupted")
    study.is_like(serial_numbers(tmp_path_factory.mktemp("real"), REAL))


def test_processes_end_with_their_command(tmp_path, serial):
    """`hydra/launcher=processes`, a process killed, then the command: no orphan goes on beside the next one."""
    study = ClusterStudy(tmp_path, FAKE, ("hydra/launcher=processes",), SMALL_STUDY_SECONDS="1")
    try:
        study.start()
        study.wait_for("started", 4)
        killed = study.kill_a_run()
        study.wait_for("started", 8)
        study.kill_command()
        study.finish()
        study.is_like(serial)
        assert killed in study.events("interrupted")
    finally:
        study.close()


def test_processes_save_when_the_terminal_asks_to_stop(tmp_path):
    study = ClusterStudy(tmp_path, FEW, ("hydra/launcher=processes",), SMALL_STUDY_SECONDS="2")
    try:
        command = study.start()
        study.wait_for("started", 2)
        os.killpg(command.pid, signal.SIGINT)  # Ctrl-C
        err = study.said(command)
        assert command.returncode == 130, err[-2000:]
        assert "Traceback" not in err
        assert len(study.events("interrupted")) == 2
        study.finish()
        assert len(study.events("done")) == 4
    finally:
        study.close()
