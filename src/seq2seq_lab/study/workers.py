"""The worker processes of a sweep: asked to stop, the command lets them save before their launcher ends them."""

import contextlib
import itertools
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from seq2seq_lab import stopping
from seq2seq_lab.errors import StoppedError, one_line

_PLACE = "SEQ2SEQ_LAB_WORKERS"
"""The environment variable with the folder in which every job under way in a worker has a file `<process>-<number>`."""

_PATIENCE = 120.0
"""Seconds that the workers have to save."""

_number = itertools.count()


@contextlib.contextmanager
def supervised(advice: str) -> Iterator[None]:
    """In the command: answer a signal by stopping the workers, and only then unwind; `advice` says how to go on."""
    with tempfile.TemporaryDirectory(prefix="seq2seq-lab-workers-") as folder:
        os.environ[_PLACE] = folder
        try:
            with stopping.listening(lambda number: _stop(Path(folder), number, advice)):
                yield
        finally:
            del os.environ[_PLACE]


def _stop(folder: Path, number: int, advice: str) -> None:
    jobs = list(folder.iterdir())
    for job in jobs:
        if not _signalled(job, signal.SIGTERM):
            job.unlink(missing_ok=True)
    until = time.monotonic() + _PATIENCE
    while any(job.exists() and _signalled(job, 0) for job in jobs) and time.monotonic() < until:
        time.sleep(0.05)
    text = f"stopped by {signal.Signals(number).name}"
    if jobs:
        text += f" with {len(jobs)} runs under way; {advice}"
    raise StoppedError(text, number)


def _signalled(job: Path, number: int) -> bool:
    """Send the signal to the process of a job; return whether it lives."""
    try:
        os.kill(int(job.name.partition("-")[0]), number)
    except ProcessLookupError:
        return False
    return True


@contextlib.contextmanager
def at_work(*, tells: bool) -> Iterator[None]:
    """In a worker: leave the terminal's signals to the command, which sends SIGTERM when this job is to stop.

    `tells` prints how the job is resumed, where no study knows it.
    """
    if _PLACE not in os.environ:
        yield
        return
    for number in set(stopping.SIGNALS) - {signal.SIGTERM}:
        signal.signal(number, signal.SIG_IGN)
    file = Path(os.environ[_PLACE], f"{os.getpid()}-{next(_number)}")
    with stopping.listening(numbers=(signal.SIGTERM,)):
        file.touch()
        try:
            yield
        except StoppedError as error:
            if tells:
                stopping.say(one_line(error))
            raise
        finally:
            file.unlink(missing_ok=True)
