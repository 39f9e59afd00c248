"""Real processes without the seconds of imports: forks of this process, which has imported everything already.

A child has a working folder, a session and streams of its own; it ends by `os._exit` like a process that ran to its
end, or by the signal that it is sent.
"""

import atexit
import contextlib
import functools
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from seq2seq_lab.config.launch import launch
from support import composition_memo
from support.bad_input_files import Outcome
from support.small_runs import train

HANDLERS = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGUSR1: signal.SIG_DFL,
    signal.SIGPIPE: signal.SIG_IGN,
    signal.SIGXFSZ: signal.SIG_IGN,
}
"""As Python starts with."""
LIMIT = 120.0
"""Seconds after which a child counts as hanging; the battery never waits so long for a healthy one."""


class HungError(AssertionError):
    """A child did not end."""


@dataclass
class Child:
    """A running child process."""

    pid: int
    streams: Path
    status: int | None = None

    def poll(self) -> int | None:
        """Return its exit code, negative for a signal, or None while it runs."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def send(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it and every process of its session, as a machine that loses power does."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def wait(self, seconds: float = LIMIT) -> Outcome:
        """Wait for its end and return what it did; a child that does not end is killed and raises."""
        end, pause = time.monotonic() + seconds, 0.0005
        while self.poll() is None:
            if time.monotonic() > end:
                self.kill()
                raise HungError(f"did not end within {seconds:.0f} s: {self.read('err')[-300:]}")
            time.sleep(pause)
            pause = min(1.5 * pause, 0.02)
        assert self.status is not None
        return Outcome(self.status, self.read("out"), self.read("err"))

    def read(self, stream: str) -> str:
        """Return what it wrote so far."""
        path = self.streams / stream
        return path.read_bytes().decode("utf-8", "replace") if path.exists() else ""


def start(action: Callable[[], object], folder: Path, *, memory: int | None = None) -> Child:
    """Fork; the child calls `action` in the folder and exits with what it returns; it may grow by `memory` bytes."""
    streams = folder.parent / f"{folder.name}.streams"
    folder.mkdir(parents=True, exist_ok=True)
    streams.mkdir(exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _be_a_process(action, folder, streams, memory)
    return Child(pid, streams)


def _be_a_process(
    action: Callable[[], object], folder: Path, streams: Path, memory: int | None
) -> None:
    code = 70
    try:
        atexit._clear()
        multiprocessing.current_process()._config["daemon"] = False  # it may have workers
        os.setsid()
        os.chdir(folder)
        for number, handler in HANDLERS.items():
            signal.signal(number, handler)
        _take_streams(streams)
        if memory is not None:
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
        result = action()
        code = result if isinstance(result, int) else 0
        threading._shutdown()
        atexit._run_exitfuncs()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        code = 130
        traceback.print_exc()
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _take_streams(streams: Path) -> None:
    """Point the three streams at files and nothing."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for number, name in ((1, "out"), (2, "err")):
        handle = os.open(streams / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115


@functools.cache
def compose_once(*overrides: str) -> None:
    """Compose as `train.py` will, so that its forks find the composition, which takes longer than the training."""
    _install_memo()
    with mock.patch.object(sys, "argv", ["train.py", *overrides]):
        launch(_nothing)


_install_memo = functools.cache(composition_memo.install)


def _nothing(cfg: object) -> None:
    """Take the place of train.py's main."""


_nothing.__module__ = "train"  # Hydra names the job after it


def start_train(folder: Path, *overrides: str) -> Child:
    """Start `python train.py` with these overrides in the folder; its config is composed already."""
    compose_once(*overrides)
    return start(lambda: train(*overrides), folder)


def run_train(folder: Path, *overrides: str, seconds: float = LIMIT) -> Outcome:
    """Run `python train.py` to its end."""
    return start_train(folder, *overrides).wait(seconds)
