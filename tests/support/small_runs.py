"""Small real runs for tests: commands in this process, folders made once, parts by hand."""

import functools
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import torch
from filelock import FileLock

from hydra_plugins.seq2seq_lab_study import in_study
from seq2seq_lab.commands import train as train_command
from seq2seq_lab.config.launch import launch
from seq2seq_lab.testing.small_training import (
    SMALL_COPY,
    TINY_MODEL,
    Parts,
    assemble,
    small,
    trainer,
)

__all__ = [
    "SMALL_COPY",
    "TINY_MODEL",
    "TINY_RUN",
    "Parts",
    "assemble",
    "load_script",
    "rows",
    "run_command",
    "run_folder",
    "run_script",
    "small",
    "tiny_run",
    "train",
    "trainer",
    "weights_hash",
]  # fmt: skip

ROOT = Path(__file__).resolve().parents[2]


TINY_RUN = (
    "debug=tiny",
    "data=copy",
    "data.max_length=12",
    "training.optimizer.lr=0.02",
    "data.batching.batch_size=8",
    "data.corpus.num_train=64",
    "data.corpus.num_val=64",
    "data.corpus.num_test=64",
)


def load_script(name: str) -> ModuleType:
    """Return a script of the repository as a module."""
    path = ROOT / name
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def train(*overrides: str) -> int:
    """Train as the command line does, in this process; return the exit code."""
    with mock.patch.object(sys, "argv", ["train.py", *overrides]):
        return launch(train_command.main, wrap=in_study)


def run_script(
    name: str,
    *arguments: Any,
    stdin: bytes = b"",
    timeout: int = 120,
    cwd: Path = ROOT,
    **variables: str,
) -> subprocess.CompletedProcess[bytes]:
    """Run a script in a process of its own, on one thread."""
    return _run([str(ROOT / name), *map(str, arguments)], stdin, timeout, cwd, variables)


def run_command(
    *words: Any, stdin: bytes = b"", timeout: int = 120, cwd: Path = ROOT, **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Run `seq2seq-lab` with these words in a process of its own, on one thread."""
    return _run(["-m", "seq2seq_lab", *map(str, words)], stdin, timeout, cwd, variables)


def _run(
    line: list[str], stdin: bytes, timeout: int, cwd: Path, variables: dict[str, str]
) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run(
        [sys.executable, *line],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=timeout,
        env=environment,
        cwd=cwd,
    )


@functools.cache
def run_folder(*overrides: str) -> Path:
    """Return the folder of a finished run with these overrides; trained once per session, never written to by tests.

    The first worker that needs it trains, the others wait.
    """
    name = "run-" + hashlib.sha256(repr(overrides).encode()).hexdigest()[:12]
    path = Path(os.environ["SEQ2SEQ_LAB_SHARED_RUNS"]) / name
    trained = path.with_suffix(".trained")
    with FileLock(path.with_suffix(".lock")):
        if not trained.exists():
            assert train(*overrides, "training/logger=csv", f"run_dir={path}") == 0
            trained.touch()
    return path


def tiny_run() -> Path:
    """Return the shared run of `debug=tiny`, with its copy task: lines of very different lengths."""
    return run_folder(*TINY_RUN)


def rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def weights_hash(module: torch.nn.Module) -> str:
    """Return a SHA-256 of all weights, names included."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
