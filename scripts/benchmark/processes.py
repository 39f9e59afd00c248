"""Whole programs against each other: each in a process of its own, in turn, stopped after so many log lines."""

import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.commands import Command
from benchmark.timing import Rate
from seq2seq_lab.errors import ResourceError
from seq2seq_lab.files import write_text

EVERY = 5
"""Optimizer steps per log line."""
LIMIT = 300.0
"""Seconds after which a silent program is given up."""


@dataclass(frozen=True)
class Outcome:
    """Of one process: the speeds it printed, seconds until the first of them, and its peak memory in MB."""

    speeds: list[float]
    first_line: float
    peak_memory: float


def run(command: Command, lines: int, every: int, threads: int) -> Outcome:
    """Start the program in an empty folder, wait for so many log lines, end it."""
    # what a program left running, as W&B does, may still write there
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for file, text in command.files.items():
            write_text(folder / file, text.replace("{every}", str(every)))
        words = [word.replace("{every}", str(every)) for word in command.words]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)} | command.variables
        begin = time.monotonic()
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                words, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            speeds, first = _wait(process, command, folder, lines, begin)
            memory = peak_memory(process.pid)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return Outcome(speeds[:lines], first, memory)


def peak_memory(process: int) -> float:
    """Return the peak memory of a process in MB, NaN if it has ended; `ru_maxrss` would count that of its parent."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    lines = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return float(next(lines, "VmHWM: nan").split()[1]) / 1024


def _wait(
    process: subprocess.Popen, command: Command, folder: Path, lines: int, begin: float
) -> tuple[list[float], float]:
    first = 0.0
    while time.monotonic() - begin < LIMIT:
        speeds = command.read(folder)
        first = first or (time.monotonic() - begin if speeds else 0.0)
        if len(speeds) >= lines:
            return speeds, first
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
            break
        time.sleep(0.02)
    log = (folder / "log").read_text(encoding="utf-8", errors="replace").strip()
    said = log.splitlines()[-1] if log else "nothing"
    raise ResourceError(f"{command.name}: printed {len(command.read(folder))} speeds, then: {said}")


def in_turn(
    commands: Sequence[Command], rounds: int, lines: int, threads: int
) -> tuple[dict[str, Rate], dict[str, dict[str, float]]]:
    """Run the programs A B C, then C B A: speed over the rounds, and start-up in seconds and memory in MB.

    A round's speed is the median over its log lines but the first, which is still warming up. Start-up is measured
    apart, with a log line at every step: the time until the first one.
    """
    speeds: dict[str, list[float]] = {one.name: [] for one in commands}
    starts: dict[str, list[float]] = {one.name: [] for one in commands}
    memory: dict[str, float] = {}
    for turn in range(rounds):
        for one in commands if turn % 2 == 0 else commands[::-1]:
            starts[one.name].append(run(one, 1, 1, threads).first_line)
            found = run(one, lines + 1, EVERY, threads)
            speeds[one.name].append(statistics.median(found.speeds[1:]))
            memory[one.name] = max(found.peak_memory, memory.get(one.name, 0.0))
    others = {
        name: {"first_step_s": statistics.median(starts[name]), "peak_memory_mb": memory[name]}
        for name in speeds
    }
    return {name: Rate.of(found) for name, found in speeds.items()}, others
