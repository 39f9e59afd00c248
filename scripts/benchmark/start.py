"""What a start costs: help, the translation of one sentence, the first optimizer step, the doctor of every model."""

import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmark.commands import read_ours
from benchmark.processes import LIMIT
from seq2seq_lab.errors import ConfigError, ResourceError

FIRST_STEP = (
    "train",
    "training.trainer.log_every_n_steps=1",
    "+training.callback.throughput.window=1",
    "run_dir=run",
)
TICKS = os.sysconf("SC_CLK_TCK")


def commands(run: Path, models: list[str]) -> dict[str, list[str]]:
    """Return the words after `seq2seq-lab` by the names of the table; those of `FIRST_STEP` never end by themselves."""
    return {
        "--help": ["--help"],
        "train --help": ["train", "--help"],
        "translate one sentence": ["translate", str(run), "--text", "seven hundred"],
        "first step, csv": [*FIRST_STEP, "training/logger=csv"],
        "first step, W&B": [*FIRST_STEP],
        **{f"doctor model={model}": ["doctor", f"model={model}"] for model in models},
    }


def cost(words: list[str], place: Path) -> tuple[float, float]:
    """Return the seconds of CPU and of wall time that a command of this checkout takes in a process of its own.

    Of a training they are those until its first logged step, of all its processes together.
    """
    variables = {"PYTHONPATH": str(place / "src"), "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"}
    begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name,
        (Path(name) / "log").open("wb") as log,
    ):
        process = subprocess.Popen(
            [sys.executable, "-m", "seq2seq_lab", *words],
            cwd=name,
            env=os.environ | variables,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            if words[: len(FIRST_STEP)] == list(FIRST_STEP):
                _wait_for_step(process, Path(name))
                return _cpu_of_family(process.pid), time.monotonic() - begin
            code = process.wait(LIMIT)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if code:
            raise ResourceError(f"{' '.join(words)}: exit code {code}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.monotonic() - begin


def _wait_for_step(process: subprocess.Popen, folder: Path) -> None:
    begin = time.monotonic()
    while not read_ours(folder):
        if process.poll() is not None or time.monotonic() - begin > LIMIT:
            said = (folder / "log").read_text(encoding="utf-8", errors="replace").strip()
            raise ResourceError(f"no first step; it said: {said[-200:]}")
        time.sleep(0.02)


def _cpu_of_family(first: int) -> float:
    """Return the seconds of CPU that a process and all that came from it have used; an ended one counts for nothing."""
    family, ticks, parents = {first}, 0, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        parents[int(path.parent.name)] = int(fields[1]), int(fields[11]) + int(fields[12])
    for process, (parent, used) in sorted(parents.items()):  # parents come before their children
        if process in family or parent in family:
            family.add(process)
            ticks += used
    return ticks / TICKS


def start(arguments: Any, _report: Any) -> dict[str, Any]:
    """Run all commands in turn, `--rounds` times; with `--against FOLDER` those of another checkout beside them."""
    here = Path.cwd()
    if not (here / "src" / "seq2seq_lab").is_dir():
        raise ConfigError("src/seq2seq_lab is not here: run the benchmark from the repository")
    places = {"": here}
    if arguments.against:
        places["other: "] = Path(arguments.against).resolve()
    models = [p.stem for p in sorted((here / "conf" / "model").glob("[!_]*.yaml"))]
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        run = Path(name) / "run"
        cost(["train", "debug=tiny", "training/logger=csv", f"run_dir={run}"], here)
        for _ in range(arguments.rounds):
            for command, words in commands(run, models).items():
                for which, place in places.items():
                    found.setdefault(which + command, []).append(cost(words, place))
    figures = {
        command: {"cpu_s": statistics.median(cpu), "wall_s": statistics.median(wall)}
        for command, all_of_it in found.items()
        for cpu, wall in [zip(*all_of_it, strict=True)]
    }
    says = [f"{n:32} {f['cpu_s']:6.2f} s CPU {f['wall_s']:6.2f} s" for n, f in figures.items()]
    return {"start": figures, "says": says}
