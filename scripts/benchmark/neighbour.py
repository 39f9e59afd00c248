"""What a busy neighbour costs: speed of the default run alone and beside another process, by how its threads wait.

Every run is `train.py` in a process of its own. A block alone and a block beside the neighbour follow each other within
one process, so that their ratio does not depend on which hour of the machine they met.
"""

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark.commands import read_ours
from benchmark.timing import Rate, ratio
from seq2seq_lab.errors import ConfigError, ResourceError
from seq2seq_lab.threads import CHOICES, WAITING, usable_cores

ACTIVE, OURS, ONE_THREAD = "active", "ours", "one thread"
SETTINGS: dict[str, dict[str, str]] = {
    ACTIVE: {"GOMP_SPINCOUNT": "300000"},  # what GNU's OpenMP does where nothing is set
    OURS: {},  # what the package does
    ONE_THREAD: {"OMP_NUM_THREADS": "1"},
}
QUIET_GOAL, DISTURBED_GOAL = 0.98, 0.55

EVERY = 10
"""Optimizer steps per line of metrics.csv: far below a second each."""
SECONDS, LINES, LIMIT = 4.0, 3, 240.0
"""A block lasts so long, and until it has so many lines; without them after the limit, the run is given up."""

BUSY = """
import os, sys
while os.getppid() == int(sys.argv[1]):  # it ends even if its parent was killed
    for _ in range(1_000_000):
        pass
"""
OVERRIDES = (
    "training/logger=csv", "training.callback.early_stopping=null", "training.trainer.max_epochs=1000000",
    "training.trainer.check_val_every_n_epoch=1000000", f"training.trainer.log_every_n_steps={EVERY}",
    f"+training.callback.throughput.window={EVERY}", "training.trainer.max_time=00:00:05:00", "run_dir=run",
)  # fmt: skip
Report = Callable[[str, dict[str, Rate], str, str], dict[str, float]]


@contextlib.contextmanager
def running(
    words: list[str], folder: Path, variables: Mapping[str, str]
) -> Iterator[subprocess.Popen]:
    """Run a program in the block, its output in the file `log`; it and what it started end with the block."""
    plain = {name: value for name, value in os.environ.items() if name not in WAITING + CHOICES}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            words, cwd=folder, env=plain | variables, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def block(process: subprocess.Popen, folder: Path, *, warm_up: bool = False) -> float:
    """Return the median speed of the lines of one block; the first line, which began before it, does not count.

    Raises `ResourceError` with the program's last words if it ends or says nothing.
    """
    before, begin = len(read_ours(folder)), time.monotonic()
    while time.monotonic() - begin < LIMIT and process.poll() is None:
        time.sleep(0.05)
        speeds = read_ours(folder)[before + 1 :]
        if len(speeds) >= LINES and (warm_up or time.monotonic() - begin >= SECONDS):
            return statistics.median(speeds)
    said = (folder / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    raise ResourceError(
        f"{process.args[1]}: no speed in a block; it said: {(said or ['nothing'])[-1]}"
    )


def pair_of_blocks(
    words: list[str], variables: Mapping[str, str], *, quiet_first: bool
) -> tuple[float, float]:
    """Start the program once; return its speed alone and beside a busy process, in this order."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name,
        running(words, Path(name), variables) as process,
    ):
        folder, found = Path(name), {}
        block(process, folder, warm_up=True)
        for quiet in (quiet_first, not quiet_first):
            neighbour = running([sys.executable, "-c", BUSY, str(os.getpid())], folder, {})
            with contextlib.nullcontext() if quiet else neighbour:
                found[quiet] = block(process, folder)
    return found[True], found[False]


def measured(
    words: list[str], settings: Mapping[str, Mapping[str, str]], rounds: int
) -> dict[str, Rate]:
    """Run the settings A B C, then C B A; return the rates of each alone and disturbed."""
    blocks: dict[str, list[float]] = {
        f"{name}, {state}": [] for name in settings for state in ("alone", "disturbed")
    }
    for turn in range(rounds):
        for name in list(settings) if turn % 2 == 0 else list(settings)[::-1]:
            quiet, disturbed = pair_of_blocks(words, settings[name], quiet_first=turn % 2 == 0)
            blocks[f"{name}, alone"].append(quiet)
            blocks[f"{name}, disturbed"].append(disturbed)
    return {name: Rate.of(found) for name, found in blocks.items()}


def neighbour(arguments: Any, report: Report) -> dict[str, Any]:
    """Compare how threads wait: alone, and beside one process that keeps a core busy."""
    train = Path("train.py").resolve()
    if not train.exists():
        raise ConfigError("train.py is not here: run the benchmark from the folder of train.py")
    settings = SETTINGS | {
        f"spin {count}": {"GOMP_SPINCOUNT": str(count)} for count in arguments.spin or ()
    }
    words = [sys.executable, str(train), *OVERRIDES]
    rates = measured(words, settings, arguments.rounds)
    report("One busy process beside the default run", rates, f"{ACTIVE}, alone", "target tokens/s")
    kept = {name: ratio(rates[f"{name}, disturbed"], rates[f"{name}, alone"]) for name in settings}
    quiet = {name: ratio(rates[f"{name}, alone"], rates[f"{ACTIVE}, alone"]) for name in settings}
    says = [
        f"{name}: disturbed / alone {kept[name].median:.2f} ({kept[name].low:.2f}..{kept[name].high:.2f}), "
        f"alone / {ACTIVE} alone {quiet[name].median:.2f} ({quiet[name].low:.2f}..{quiet[name].high:.2f})"
        for name in settings
    ]
    says.append(
        f"goals of {OURS}: disturbed / alone {_judged(kept[OURS].median, DISTURBED_GOAL)}, "
        f"alone / {ACTIVE} alone {_judged(quiet[OURS].median, QUIET_GOAL)}; {usable_cores()} cores"
    )
    return {
        "kept_beside_a_busy_process": {name: rate.median for name, rate in kept.items()},
        "alone_to_active_alone": {name: rate.median for name, rate in quiet.items()},
        "says": says,
    }


def _judged(value: float, goal: float) -> str:
    return f">= {goal}: {'reached' if value >= goal else 'not reached'}"
