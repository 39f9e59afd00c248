"""Processes of Linux that a test started: those of a session, and the one that holds a file; ended by their ids."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path


def living() -> Iterator[tuple[int, int, str]]:
    """Give id, session and command line of all processes that have not ended."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            parts = (entry / "stat").read_text().rpartition(")")[2].split()
            text = (entry / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if parts[0] not in "ZX":
            yield int(entry.name), int(parts[3]), text


def processes_of_session(session: int) -> dict[int, str]:
    """Return id and command line of the processes of a session, which has the id of its first one."""
    return {number: text for number, of, text in living() if of == session}


def kill_session(session: int, seconds: float = 10.0) -> None:
    """Kill all processes of a session, and those that they start meanwhile."""
    end = time.monotonic() + seconds
    while left := processes_of_session(session):
        assert time.monotonic() < end, left
        for number in left:
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.02)


def holder(file: Path) -> int | None:
    """Return the id of a process that has the file open, or None."""
    for number, _, _ in living():
        try:
            opened = [fd.readlink() for fd in Path(f"/proc/{number}/fd").iterdir()]
        except OSError:
            continue
        if file in opened:
            return number
    return None
