"""Studies in milliseconds: the real sweeper and launchers around a run that only writes its files."""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

from omegaconf import OmegaConf

from hydra_plugins.seq2seq_lab_study import in_study
from seq2seq_lab.config import launch as config_launch
from seq2seq_lab.config.compose import conf_dir
from seq2seq_lab.errors import NotFiniteError
from seq2seq_lab.study import ledger
from seq2seq_lab.study.matrix import Study

ROOT = Path(__file__).resolve().parents[2]
"""Not that of `small_runs`, which imports torch: a worker here starts in a second."""

TRAIN = """
defaults:
  - _self_
  - experiment: null
  - override hydra/job_logging: none
  - override hydra/hydra_logging: none
  - override hydra/sweeper: study
seed: 1
study: null
study_dir: null
run_dir: null
torch_threads: null
traceback: false
model: {dim: 16, note: ""}
prediction: null
data: {monitor: val/bleu}
hydra:
  output_subdir: null
  run: {dir: .}
  sweep: {dir: sweeps, subdir: .}
"""
EXPERIMENT = """
# @package _global_
study: declared
model: {note: from yaml}
hydra:
  mode: MULTIRUN
  sweeper: {params: {model.dim: "16,32", seed: "1,2,3"}}
"""
SWEEP = ("-m", "study=small", "model.dim=16,32", "seed=1,2,3")
"""Two arms x three seeds."""


@functools.cache
def conf() -> Path:
    """Return a conf folder that composes in no time, with the launchers and the sweeper of the real one."""
    folder = Path(_FOLDER.name) / "conf"
    shutil.copytree(conf_dir() / "hydra", folder / "hydra")
    (folder / "experiment").mkdir()
    (folder / "train.yaml").write_text(TRAIN)
    (folder / "experiment" / "declared.yaml").write_text(EXPERIMENT.lstrip())
    return folder


def fake_run(cfg) -> None:
    """Write what a run leaves behind, with numbers made of its config; model.dim=13 becomes NaN."""
    if cfg.model.dim == 13:
        raise NotFiniteError("the loss is nan; lower training.optimizer.lr")
    time.sleep(float(os.environ.get("SMALL_STUDY_SECONDS", "0")))
    folder = Path(cfg.run_dir)
    (folder / "hypotheses").mkdir(parents=True)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(cfg))
    (folder / "hypotheses" / "test.jsonl").write_text(f"{cfg.seed * cfg.model.dim}\n")
    (folder / "result.json").write_text(json.dumps({"test/bleu": cfg.seed * cfg.model.dim}))


def launch(*arguments: str, main=fake_run) -> int:
    """Run the command in this process and return its exit code."""
    with mock.patch.object(sys, "argv", ["train.py", *arguments]):
        return config_launch.launch(main, conf(), wrap=in_study)


_FOLDER = tempfile.TemporaryDirectory(prefix="seq2seq-lab-studies-")


def study(folder: Path | None = None) -> Study:
    return Study.load(folder or Path("outputs/studies/small"))


def events(found: Study, kind: str) -> list[str]:
    return [e.run for e in ledger.read(found.ledger) if e.event == kind]


def results(found: Study) -> dict[str, dict[str, float]]:
    """Return the numbers of every run, the measured speed left out."""
    stored = {c.name: json.loads((found.folder(c) / "result.json").read_text()) for c in found.runs}
    return {
        name: {key: value for key, value in numbers.items() if "per_second" not in key}
        for name, numbers in stored.items()
    }


def nothing_done_was_run_again(found: Study) -> None:
    """Law: no run starts after it was done, and each is done once."""
    seen = set()
    for event in ledger.read(found.ledger):
        assert not (event.event in {"started", "done"} and event.run in seen), event
        if event.event == "done":
            seen.add(event.run)
    assert seen == {run.name for run in found.runs}


SCRIPT = """
import sys
from pathlib import Path
sys.path[:0] = {paths!r}
from support.small_studies import fake_run
from hydra_plugins.seq2seq_lab_study import in_study
from seq2seq_lab.config.launch import launch
if __name__ == "__main__":
    sys.exit(launch(fake_run, Path(sys.argv.pop()), wrap=in_study))
"""


def start(folder: Path, *arguments: str, script: str = "", **variables: str) -> subprocess.Popen:
    """Start a study as a process group of its own; without `script` its runs are fakes."""
    path = folder / "fake.py"
    path.write_text(SCRIPT.format(paths=[str(ROOT / "src"), str(ROOT / "tests")]))
    places = os.pathsep.join(
        [str(ROOT / "src"), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": places, **variables}
    return subprocess.Popen(
        [sys.executable, *([script, *arguments] if script else [path, *arguments, conf()])],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def children(process: subprocess.Popen) -> list[int]:
    """Return the process ids of the workers of a command."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parts = (entry / "stat").read_text().rpartition(")")[2].split()
                line = (entry / "cmdline").read_text()
            except OSError:
                continue
            if int(parts[1]) == process.pid and "resource_tracker" not in line:
                found.append(int(entry.name))
    return found


def kill(number: int) -> None:
    """Kill a process that may be gone."""
    try:
        os.kill(number, signal.SIGKILL)
    except ProcessLookupError:
        return
