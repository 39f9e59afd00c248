"""How torch's threads wait for each other while other processes want the same cores.

A waiting thread of GNU's OpenMP looks 300,000 times before it sleeps. Alone that is fastest. Beside another busy
process it holds a core while the thread that it waits for has none, and a run falls to a fiftieth of its speed. A
thread looks only 100 times while OpenMP has more threads than cores. So a watch samples what other processes take, and
while they leave too few cores it keeps a second, idle team of threads. No number changes: every sum has the threads
that it had.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from seq2seq_lab.threads import WAITING, core_numbers

_STAT = Path("/proc/stat")
_EVERY = 0.5
"""Seconds between two samples."""
_MARGIN = 0.25
"""Cores that other processes may take beyond those that are left over."""
_CALM = 2
"""Samples without contention after which the second team ends."""


def busy_seconds(cores: list[int]) -> float:
    """Return the seconds that these cores were busy since the system started."""
    names, ticks = {f"cpu{number}" for number in cores}, 0
    for line in _STAT.read_text("ascii").splitlines():
        name, *counts = line.split()
        if name in names:
            user, nice, system, _idle, _wait, *others = map(int, counts[:8])
            ticks += user + nice + system + sum(others)
    return ticks / os.sysconf("SC_CLK_TCK")


class OthersBusy:
    """Called again and again, it returns how many cores other processes took since the last call."""

    def __init__(self) -> None:
        self.cores = core_numbers()
        self.before = self._now()

    def _now(self) -> tuple[float, float, float]:
        return busy_seconds(self.cores), time.process_time(), time.monotonic()

    def __call__(self) -> float:
        """Return the cores, 0 and more."""
        now = self._now()
        busy, own, seconds = (
            after - before for after, before in zip(now, self.before, strict=True)
        )
        self.before = now
        return max(0.0, (busy - own) / seconds) if seconds > 0 else 0.0


class _SecondTeam:
    """Threads of OpenMP that only exist: as many as torch uses, asleep until `close`."""

    def __init__(self) -> None:
        self.end = threading.Event()
        self.thread = threading.Thread(target=self._run, name="second-team", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        import torch

        torch.ones(1 << 20).add_(
            1
        )  # large enough for all threads: OpenMP makes the team of this one
        self.end.wait()

    def close(self) -> None:
        """End the threads of the team."""
        self.end.set()


class Watch:
    """Keeps a second team while other processes and torch's `threads` want more than `cores`."""

    def __init__(self, cores: int, threads: int, others_busy: Callable[[], float]) -> None:
        self.free, self.others_busy = cores - threads + _MARGIN, others_busy
        self.team: _SecondTeam | None = None
        self.calm = 0

    def sample(self) -> None:
        """Look once at what the others take."""
        if self.others_busy() > self.free:
            self.calm = 0
            self.team = self.team or _SecondTeam()
            return
        self.calm += 1
        if self.team is not None and self.calm >= _CALM:
            self.team.close()
            self.team = None

    def run(self) -> None:
        """Sample until the process ends."""
        while True:
            time.sleep(_EVERY)
            self.sample()


_started = False


def watch_others() -> None:
    """Start the watch of this process, once; not for a single thread, nor if the user says how threads wait."""
    global _started
    import torch

    threads, is_users = torch.get_num_threads(), any(name in os.environ for name in WAITING)
    if _started or threads < 2 or is_users or not _STAT.is_file():
        return
    _started = True
    watch = Watch(len(core_numbers()), threads, OthersBusy())
    threading.Thread(target=watch.run, name="watch-others", daemon=True).start()
