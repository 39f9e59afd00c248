"""The processes of one distributed run: started by the first, they end together, and the first one speaks for all.

Lightning starts them and looks after them every 5 s: when one fails it kills all, without a word, and it also does so
while the first is saving. Here the first process keeps what the others write to stderr, waits for them, and says in
one line which of them failed and why.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import torch
from pytorch_lightning.strategies.launchers.multiprocessing import _MultiProcessingLauncher
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

from seq2seq_lab.errors import ConfigError, ResourceError, UserError, one_line
from seq2seq_lab.stopping import FIRST_PROCESS, StoppedError, say
from seq2seq_lab.threads import usable_cores
from seq2seq_lab.training.run_folder import FIRST_PROCESS_FOLDER

_SCREEN = "SEQ2SEQ_LAB_SCREEN"
"""The environment variable with the file descriptor on which the second process speaks if the first is gone."""

_RANKS = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")
_PATIENCE = 10.0
"""Seconds in which the first process may notice by itself that another one failed."""

_TO_STOP = 3.0
"""Seconds for the others to end by themselves when the first was asked to stop; they may be waiting for it."""

_LOST = re.compile(
    r"gloo|nccl|connection (was )?(closed|reset|refused)|broken pipe|process ?group|socket|tcpstore|rank \d",
    re.IGNORECASE,
)


class ProcessError(UserError):
    """Another process of the run failed; the exit code is that of its error."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def has_lost_others(error: Exception) -> bool:
    """Return whether an error looks like that of a process whose connection to the others broke: no cause."""
    if isinstance(error, UserError) and getattr(error, "exit_code", 1) != 1:
        return False
    return bool(_LOST.search(f"{type(error).__name__} {error}"))


class Launcher(_SubprocessScriptLauncher):
    """Starts the other processes of this machine by `command`, with their stderr kept."""

    def __init__(self, like: _SubprocessScriptLauncher, command: list[str]) -> None:
        super().__init__(like.cluster_environment, like.num_processes, like.num_nodes)
        self.command = [sys.executable, *command[1:]]
        self.said: list[IO[bytes]] = []
        self.ending = threading.Event()
        self.resume_command = ""

    def launch(self, function: Any, *args: Any, trainer: Any = None, **kwargs: Any) -> Any:  # noqa: ARG002
        """Start the processes, at the first call, and call the function."""
        self.cluster_environment.validate_settings(self.num_processes, self.num_nodes)
        if not self.cluster_environment.creates_processes_externally:
            self._call_children_scripts()
            threading.Thread(target=self._watch, name="processes", daemon=True).start()
        if "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(max(1, usable_cores() // self.num_processes))
        return function(*args, **kwargs)

    def _call_children_scripts(self) -> None:
        self._check_can_spawn_children()
        environment = self.cluster_environment
        os.environ |= {
            "MASTER_ADDR": environment.main_address,
            "MASTER_PORT": str(environment.main_port),
            "NODE_RANK": str(environment.node_rank()),
            "LOCAL_RANK": "0",
            "WORLD_SIZE": str(self.num_processes * self.num_nodes),
        }
        screen = os.dup(2)
        for rank in range(1, self.num_processes):
            self.said.append(tempfile.TemporaryFile())  # noqa: SIM115
            own = {"LOCAL_RANK": str(rank), FIRST_PROCESS: str(os.getpid())}
            own |= {_SCREEN: str(screen)} if rank == 1 else {}
            process = subprocess.Popen(
                self.command,
                env={**os.environ, **own},
                stdout=subprocess.DEVNULL,
                stderr=self.said[-1],
                pass_fds=[screen] if rank == 1 else [],
            )
            self.procs.append(process)
        os.close(screen)

    def failure(self) -> UserError | None:
        """Return the error of another process, rather a cause than that of one that lost the others; None without."""
        found = []
        for rank, process in enumerate(self.procs, start=1):
            code = process.poll()
            if code not in (None, 0):
                assert code is not None
                found.append(self._error_of(rank, code))
        found.sort(key=has_lost_others)
        return found[0] if found else None

    def cause(self, seconds: float) -> UserError | None:
        """Wait so long for an error that is a cause; then take any."""
        until = time.monotonic() + seconds
        while (error := self.failure()) is None or has_lost_others(error):
            if time.monotonic() > until:
                return error
            time.sleep(0.05)
        return error

    def _error_of(self, rank: int, code: int) -> UserError:
        place = f"process {rank + 1} of {self.num_processes}"
        if code < 0:
            name = signal.Signals(-code).name
            return ResourceError(
                f"{place} of this run was ended by {name} (so does a system whose memory runs out); resume with: "
                f"{self.resume_command}"
            )
        text = self.text_of(rank)
        said = re.findall(r"^error: (.*(?:\n  .*)*)", text, re.MULTILINE)
        first, *rest = said[-1].split("\n  ") if said else [f"ended with exit code {code}"]
        last = "; ".join([" ".join([first, *rest[:1]]), *rest[1:]])
        error = ProcessError(f"{place}: {last}", code)
        if "Traceback" in text:
            error.add_note(text[text.index("Traceback") :].rsplit("\nerror: ", 1)[0])
        return error

    def text_of(self, rank: int) -> str:
        """Return what a process wrote to stderr."""
        file = self.said[rank - 1]
        file.seek(0)
        return file.read().decode("utf-8", "replace")

    def _watch(self) -> None:
        """End this process if another one failed and the main thread does not notice: it waits for that one."""
        while not self.ending.wait(0.2):
            error = self.failure()
            if error is not None and not self.ending.wait(_PATIENCE):
                error = self.failure() or error
                self.end(0.0)
                _tell_traceback(error)
                say(f"error: {one_line(error)}")
                Path(os.environ[FIRST_PROCESS_FOLDER], ".lock").unlink(missing_ok=True)
                os._exit(error.exit_code)

    def end(self, seconds: float) -> None:
        """Wait so long for the others to end by themselves, then end them; they write no files."""
        until = time.monotonic() + seconds
        for process in self.procs:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
        for process in self.procs:
            process.kill()
            process.wait()


def _tell_traceback(error: UserError) -> None:
    """Print the traceback of another process's error, if that is our bug."""
    if error.exit_code == 1:
        for note in getattr(error, "__notes__", []):
            say(note.rstrip())


@contextlib.contextmanager
def together(trainer: Any, command: list[str], resume_command: str) -> Iterator[None]:
    """Let the processes of the trainer's run end together within the block; nothing happens to a single process.

    `command` starts another process of this run. Raises `ProcessError` or `ResourceError` in the first process for what
    failed in another one.
    """
    launcher = trainer.strategy.launcher
    if isinstance(launcher, _MultiProcessingLauncher):
        raise ConfigError(
            "training.trainer.strategy: forked and spawned processes give no results back; take ddp"
        )
    if not isinstance(launcher, _SubprocessScriptLauncher):
        yield
    elif FIRST_PROCESS in os.environ:
        with _with_the_first():
            yield
    elif launcher.cluster_environment.creates_processes_externally:
        yield  # torchrun or SLURM started them and looks after them
    else:
        ours = Launcher(launcher, command)
        ours.resume_command = resume_command
        trainer.strategy._launcher = ours
        with _as_the_first(ours):
            yield


@contextlib.contextmanager
def _as_the_first(launcher: Launcher) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _RANKS}
    seconds = 0.0
    try:
        yield
        launcher.ending.set()
        seconds = 30.0
    except StoppedError:
        seconds = _TO_STOP
        raise
    except Exception as error:
        if has_lost_others(error):
            other = launcher.cause(_PATIENCE)
            if other is not None:
                _tell_traceback(other)
                raise other from None
        raise
    finally:
        launcher.ending.set()
        launcher.end(seconds)
        _forget(before)
    if (failed := launcher.failure()) is not None:
        _tell_traceback(failed)
        raise failed


def _forget(before: dict[str, str | None]) -> None:
    """Leave nothing of the run in this process: the next run of a sweep starts processes of its own."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@contextlib.contextmanager
def _with_the_first() -> Iterator[None]:
    try:
        yield
    except Exception:
        time.sleep(0.5)  # a lost connection is noticed sooner than the end of the process
        _leave_without_the_first()
        raise


def end_with_the_first() -> None:
    """In a process that the first one started: end when that is gone, wherever this one waits for it."""
    if FIRST_PROCESS in os.environ:
        threading.Thread(target=_watch_the_first, name="first process", daemon=True).start()


def _watch_the_first() -> None:
    while True:
        _leave_without_the_first()
        time.sleep(0.5)


_speaking = threading.Lock()


def _leave_without_the_first() -> None:
    """End this process if the first is gone; the second of the run says so."""
    if os.getppid() == int(os.environ[FIRST_PROCESS]):
        return
    with _speaking:
        if _SCREEN in os.environ:
            folder = os.environ.get(FIRST_PROCESS_FOLDER, "FOLDER")
            text = "error: the first process of this run was killed, so the others ended; resume with: the same "
            line = f"{text}command and resume=auto run_dir={folder}\n"
            with contextlib.suppress(OSError):
                os.write(int(os.environ[_SCREEN]), line.encode())
        os._exit(ResourceError.exit_code)
