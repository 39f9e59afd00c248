"""Studies over a Ray cluster of two nodes, which are processes of this machine, killed in several ways."""

import tempfile
import time
from pathlib import Path

import pytest

from support.cluster_studies import FAKE, REAL, SOURCE, ClusterStudy, serial_numbers

pytest.importorskip("ray", reason="needs pip install 'seq2seq-lab[ray]'")
pytest.importorskip("hydra_plugins.hydra_ray_launcher")
from support.ray_cluster import RayCluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def cluster(monkeypatch):
    """The nodes; their workers have the environment of the nodes, not that of the command."""
    monkeypatch.setenv("SMALL_STUDY_SECONDS", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory(prefix="r", ignore_cleanup_errors=True) as short:
        nodes = RayCluster(Path(short, "c"), SOURCE)  # a socket's path has at most 107 bytes
        yield nodes
        nodes.close()


@pytest.fixture
def ray_study(tmp_path, cluster):
    found = []

    def make(sweep):
        engine = (
            "hydra/launcher=ray_cluster",
            f"hydra.launcher.ray.init.address={cluster.address}",
        )
        found.append(ClusterStudy(tmp_path / "study", sweep, engine, **cluster.environment))
        return found[0]

    yield make
    for one in found:
        one.close()


def test_a_study_survives_whatever_happens_to_its_tasks(ray_study, cluster, tmp_path):
    """kill -9 of a worker, of the command, of a node: the same command ends it."""
    study = ray_study(FAKE)
    study.start()
    study.wait_for("started", 3)
    killed = study.kill_a_run()
    study.wait_for("started", 7)
    study.kill_command()
    again = study.start()
    study.wait_for("done", 12)
    cluster.kill(1)
    study.finish(again)
    study.is_like(serial_numbers(tmp_path / "serial", FAKE))
    assert killed in study.events("interrupted")


def test_runs_save_when_the_command_is_asked_to_stop(ray_study):
    study = ray_study(("-m", "study=small", "model.dim=16,32", "seed=1,2"))
    command = study.start()
    study.wait_for("started", 1)
    time.sleep(0.2)
    command.terminate()
    err = study.said(command)
    assert command.returncode == 143, err[-2000:]
    assert study.events("interrupted")
    study.finish()
    assert len(study.events("done")) == 4


def test_real_runs_give_the_numbers_of_a_serial_study(ray_study, cluster, tmp_path):
    study = ray_study(REAL)
    study.start()
    study.wait_for("started", 3)
    killed = study.kill_a_run()
    study.wait_for("done", 4)
    study.kill_command()
    study.finish()
    study.is_like(serial_numbers(tmp_path / "serial", REAL))
    assert killed in study.events("interrupted")
