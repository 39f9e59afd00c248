"""Studies by submitit: as jobs of SLURM, which a stand-in on PATH plays, and as processes; killed in several ways."""

import json
import os
import signal
import subprocess

import pytest

from support import slurm_stand_in
from support.cluster_studies import FAKE, REAL, ClusterStudy, environment, serial_numbers
from support.small_studies import children

pytest.importorskip("submitit", reason="needs pip install 'seq2seq-lab[slurm]'")
pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
SLURM = ("hydra/launcher=slurm", "hydra.launcher.gpus_per_node=null")
FEW = ("-m", "study=small", "model.dim=16,32", "seed=1,2")
pytestmark = pytest.mark.slow


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
        return subprocess.run(line, capture_output=True, text=True, check=True).stdout

    def task_of(self, run):
        """Return JOB_TASK of a run."""
        book = self.folder / "outputs" / "studies" / "small" / "launcher" / "jobs.json"
        known = json.loads(book.read_text())
        return next(job for place, job in known.items() if place.strip("'\"").endswith(run))

    def sent(self):
        """Return how many tasks were ever sent."""
        return len(list(self.queue.glob("*/*.state")))

    def process_of(self, run):
        job, _, task = self.task_of(run).partition("_")
        return int((self.queue / job / f"{task}.pid").read_text())

    def running(self):
        """Return a run that was started and has not ended."""
        ended = {run for kind in ("done", "interrupted") for run in self.events(kind)}
        return [run for run in self.events("started") if run not in ended][-1]

    def close(self):
        super().close()
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
    killed = study.running()
    os.kill(study.process_of(killed), signal.SIGKILL)
    study.wait_for("started", 6)
    late = study.running()
    study.call("scancel", study.task_of(late), "--signal", "USR2")
    study.wait_for("started", 9)
    cancelled = study.running()
    study.call("scancel", study.task_of(cancelled))
    study.wait_for("started", 11)
    study.commands[0].kill()  # the jobs that wait or run go on
    said = study.finish()
    study.is_like(serial)
    assert {killed, late, cancelled} <= set(study.events("interrupted"))
    assert study.sent() == 24 + 2  # the one whose time ended is the same job, queued again
    assert "was killed" not in said


def test_a_job_that_is_killed_is_sent_again_by_the_same_command(slurm):
    study = slurm(FEW, SMALL_STUDY_SECONDS="1")
    command = study.start()
    study.wait_for("started", 2)
    os.kill(study.process_of(study.running()), signal.SIGKILL)
    assert "was killed: job 1" in study.finish(command)
    assert len(study.events("done")) == 4
    assert study.sent() == 5


def test_a_job_that_is_cancelled_is_not_sent_again_by_the_same_command(slurm):
    study = slurm(FEW, SMALL_STUDY_SECONDS="1")
    command = study.start()
    study.wait_for("started", 2)
    run = study.running()
    study.call("scancel", study.task_of(run))
    err = command.communicate(timeout=280)[1].decode()
    assert command.returncode == 8
    assert f"3 of 4 runs done; {run} interrupted: stopped by SIGTERM" in err
    assert "Traceback" not in err
    assert study.sent() == 4


def test_real_runs_give_the_numbers_of_a_serial_study(slurm, tmp_path_factory):
    study = slurm(REAL)
    command = study.start()
    study.wait_for("started", 3)
    os.kill(study.process_of(study.running()), signal.SIGKILL)
    study.wait_for("done", 4)
    command.kill()
    command.communicate()
    study.finish()
    study.is_like(serial_numbers(tmp_path_factory.mktemp("real"), REAL))


def test_processes_end_with_their_command(tmp_path, serial):
    """`hydra/launcher=processes`, a process killed, then the command: no orphan goes on beside the next one."""
    study = ClusterStudy(tmp_path, FAKE, ("hydra/launcher=processes",), SMALL_STUDY_SECONDS="1")
    try:
        command = study.start()
        study.wait_for("started", 4)
        os.kill(children(command)[0], signal.SIGKILL)
        study.wait_for("started", 8)
        command.kill()
        command.communicate()
        study.finish()
        study.is_like(serial)
    finally:
        study.close()


def test_processes_save_when_the_terminal_asks_to_stop(tmp_path):
    study = ClusterStudy(tmp_path, FEW, ("hydra/launcher=processes",), SMALL_STUDY_SECONDS="2")
    try:
        command = study.start()
        study.wait_for("started", 2)
        os.killpg(command.pid, signal.SIGINT)  # Ctrl-C
        err = command.communicate(timeout=100)[1].decode()
        assert command.returncode == 130, err[-2000:]
        assert "Traceback" not in err
        assert len(study.events("interrupted")) == 2
        study.finish()
        assert len(study.events("done")) == 4
    finally:
        study.close()
