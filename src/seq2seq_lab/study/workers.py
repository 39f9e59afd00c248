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
from seq2seq_lab.files import held, is_held

_COMMAND = "command.lock"
"""The file in that folder which the command holds as long as it lives."""

_PLACE = "SEQ2SEQ_LAB_WORKERS"
"""The environment variable with the folder in which every job under way in a worker has a file `<process>-<number>`."""

PATIENCE = 120.0
"""Seconds that the workers have to save."""

_number = itertools.count()
_supervisor: int | None = None
"""The id of the command's process; a worker has its own, or None where it was not forked."""


def advice(*, in_study: bool) -> str:
    """Return how the runs go on that a signal stopped."""
    return "the same command with resume=auto goes on" if in_study else "resume each as it says"


@contextlib.contextmanager
def supervised(*, in_study: bool) -> Iterator[None]:
    """In the command: answer a signal by stopping the workers, and only then unwind."""
    global _supervisor
    with tempfile.TemporaryDirectory(prefix="seq2seq-lab-workers-") as folder:
        os.environ[_PLACE], _supervisor = folder, os.getpid()
        try:
            with (
                held(Path(folder, _COMMAND)),
                stopping.listening(
                    lambda number: _stop(Path(folder), number, advice(in_study=in_study))
                ),
            ):
                yield
        finally:
            del os.environ[_PLACE]
            _supervisor = None


def _stop(folder: Path, number: int, go_on: str) -> None:
    jobs = list(folder.glob("*-*"))
    alive = {process for process in set(map(_process, jobs)) if _signalled(process, signal.SIGTERM)}
    for job in jobs:
        if _process(job) not in alive:
            job.unlink(missing_ok=True)
    until = time.monotonic() + PATIENCE
    while any(job.exists() and _signalled(_process(job), 0) for job in jobs) and (
        time.monotonic() < until
    ):
        time.sleep(0.05)
    text = f"stopped by {signal.Signals(number).name}"
    if jobs:
        text += f" with {len(jobs)} runs under way; {go_on}"
    raise StoppedError(text, number)


def _process(job: Path) -> int:
    return int(job.name.partition("-")[0])


def _signalled(process: int, number: int) -> bool:
    """Send the signal to a process; return whether it lives."""
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return False
    return True


@contextlib.contextmanager
def at_work(*, tells: bool, runs: int = 1) -> Iterator[None]:
    """In a worker: leave the terminal's signals to the command, which sends SIGTERM when this job is to stop.

    `tells` prints how the job is resumed, where no study knows it. `runs` is how many the job carries out. Where the
    launcher has no worker (`n_jobs=1`), the command itself is at work, and goes on answering every signal.
    """
    if _PLACE not in os.environ or _supervisor == os.getpid():
        yield
        return
    for number in set(stopping.SIGNALS) - {signal.SIGTERM}:
        signal.signal(number, signal.SIG_IGN)
    place = Path(os.environ[_PLACE])
    files = [place / f"{os.getpid()}-{next(_number)}" for _ in range(runs)]
    with stopping.listening(numbers=(signal.SIGTERM,)):
        for file in files:
            file.touch()
        try:
            yield
        except StoppedError as error:
            if tells:
                stopping.say(one_line(error))
            raise
        finally:
            for file in files:
                file.unlink(missing_ok=True)


def command_is_gone() -> bool:
    """Tell whether the command of this machine that started this worker has ended, however that was."""
    return _PLACE in os.environ and not is_held(Path(os.environ[_PLACE], _COMMAND))


@contextlib.contextmanager
def terminal_signals_blocked() -> Iterator[None]:
    """Let the processes that are started in the block never see the terminal's signals; here they come after it."""
    blocked = set(stopping.SIGNALS) - {signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def handlers_kept() -> Iterator[None]:
    """Set the handlers of all signals that ask to stop again after the block, whatever a library did to them."""
    before = {number: signal.getsignal(number) for number in stopping.SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def in_queue() -> Iterator[None]:
    """In a job of a cluster: a signal that asks it to stop lets it save; the cluster kills what takes too long.

    By SIGUSR2 SLURM announces to submitit that the job's time ends; submitit then sends it into the queue again.
    """
    again = signal.getsignal(signal.SIGUSR2)
    with stopping.listening(numbers=(*stopping.SIGNALS, signal.SIGUSR2), insists=False):
        try:
            yield
        except StoppedError as error:
            stopping.say(one_line(error))
            if error.args[1] == signal.SIGUSR2 and callable(again):
                again(signal.SIGUSR2, None)
            raise
