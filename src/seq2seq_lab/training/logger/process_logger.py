"""What loggers share that send a run from a process of their own.

Local files are the record of a run. A logger that fails, hangs or is missing costs one line on stderr and nothing else.
"""

import atexit
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pytorch_lightning.utilities.rank_zero import rank_zero_only

from seq2seq_lab.errors import UserError, one_line
from seq2seq_lab.extras import is_installed
from seq2seq_lab.training import pack
from seq2seq_lab.training.logger.journal import PASSING, Journal
from seq2seq_lab.training.logger.message_logger import MessageLogger
from seq2seq_lab.training.logger.wandb_labels import with_choices

EXIT_CODES = {"success": 0, "preempted": 143, "killed": 255}
"""The exit code of a run by its status; every other status is a failure, 1."""


class ProcessLogger(MessageLogger):
    """Sends a run from a child process that reads JSON lines, so that training never waits.

    A subclass has the attributes below and `options`; its script calls `logger_process.serve`. Every message says what
    to `do`, and has the `index` of the row in metrics.csv that it belongs to. Content goes to a journal too, so that a
    resumed run sends it again. `close` waits `finish_timeout` seconds at most, and `init_timeout` more while the
    process may still be starting.
    """

    title: ClassVar[str]
    """What the user's screen calls it."""
    package: ClassVar[str]
    """The package that must be installed."""
    script: ClassVar[str]
    """The file beside this one that the child process runs."""
    folder_name: ClassVar[str]
    """The folder in the run folder that holds its files."""

    def __init__(self, init_timeout: int, finish_timeout: int):
        super().__init__()
        for key, value in (("init_timeout", init_timeout), ("finish_timeout", finish_timeout)):
            if value < 1:
                raise ValueError(
                    f"{key}={value}: must be >= 1 second; training/logger=csv logs without {self.title}"
                )
        self.init_timeout, self.finish_timeout = init_timeout, finish_timeout
        self._messages: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._folder, self._journal, self._warned = Path(), Journal(Path()), False

    @property
    def name(self) -> str | None:
        """A name for Lightning; files lie in the run folder itself."""
        return ""

    @property
    def version(self) -> str:
        """A version for Lightning; files lie in the run folder itself."""
        return ""

    def warn(self, text: str) -> None:
        """Write one line to the user's screen."""
        sys.stderr.write(f"{self.title}: {one_line(text)}\n")

    def options(self, run_dir: Path, config: dict[str, Any]) -> dict[str, Any] | None:
        """Return what the child process needs to start the run; None where nothing is to be sent."""
        raise NotImplementedError

    @rank_zero_only
    def open(self, run_dir: Path, config: dict[str, Any]) -> None:
        """Start the process in the background; `config` is the resolved config as plain values."""
        run_dir = Path(run_dir).resolve()
        if self._process is not None:
            return
        options = self.options(run_dir, config)
        if options is None:
            return
        if not is_installed(self.package):
            self.warn(
                f"the package {self.package} is not installed, so nothing is sent; "
                "training/logger=csv says so quietly"
            )
            return
        self._folder = run_dir / self.folder_name
        self._journal = Journal(self._folder)
        shared: dict[str, Any] = {
            "dir": str(run_dir),
            "folder": str(self._folder),
            "config": with_choices(config, run_dir),
        }
        shared |= {"init_timeout": self.init_timeout, "finish_timeout": self.finish_timeout}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._process = self._start_process()
        except OSError as error:
            self.warn(f"cannot be started, so nothing is sent ({error})")
            return
        self._started = time.monotonic()
        self._put(shared | options)
        threading.Thread(target=self._feed, args=(self._process,), daemon=True).start()
        atexit.register(self.close)

    @classmethod
    def _start_process(cls) -> subprocess.Popen[bytes]:
        script = Path(__file__).with_name(cls.script)
        # -P: the folder of the script stays off the path; a session of its own: Ctrl-C reaches training only
        return subprocess.Popen(
            [sys.executable, "-P", str(script)], stdin=subprocess.PIPE, start_new_session=True
        )

    @rank_zero_only
    def send(self, message: dict[str, Any]) -> None:
        """Queue a message at the index of the last row; nothing happens when there is no process."""
        message = {"index": max(self._num_rows - 1, 0), **message}
        self._put(message, is_kept=message["do"] not in PASSING)

    def _put(self, message: dict[str, Any], *, is_kept: bool = False) -> None:
        if self._process is None:
            return
        try:
            line = json.dumps(message, default=str)
        except (TypeError, ValueError) as error:
            self._lost(message, error)
            return
        self._messages.put(line)
        if is_kept:
            try:
                self._journal.add(line)
            except OSError as error:
                self._lost(message, error)

    def _lost(self, message: dict[str, Any], error: Exception) -> None:
        """Say once that something is not logged, or will not be there when the run is resumed."""
        if not self._warned:
            self.warn(f"could not log {message.get('name', message.get('do'))} ({error})")
        self._warned = True

    @rank_zero_only
    def replay(self, rows: Sequence[dict[str, str]]) -> None:
        """Send what a resumed run has logged until the rows of metrics.csv end that it keeps, before anything new.

        A run that begins again keeps none.
        """
        if self._process is None:
            return
        self._num_rows = 0
        self.send({"do": "replay"})
        try:
            kept = self._journal.cut(len(rows))
        except (OSError, UserError) as error:
            self._lost({"do": "the journal"}, error)
            kept = []
        of_row: dict[int, list[dict[str, Any]]] = {}
        for message in kept:
            of_row.setdefault(message["index"], []).append(message)
        for index, row in enumerate(rows):
            numbers = {k: float(v) for k, v in row.items() if v != "" and k != "step"}
            self.log_metrics(numbers, int(row["step"]) if row.get("step") else None)
            for message in of_row.get(index, []):
                self._put(message)

    def copied(self, name: str, picture: Path) -> Path | None:
        """Return a copy in the journal: it is there as long as it may be sent."""
        if self._process is None:
            return None
        try:
            return self._journal.copy(picture)
        except OSError as error:
            self._lost({"name": name}, error)
            return None

    def _feed(self, process: subprocess.Popen[bytes]) -> None:
        """Carry the messages to the process; a pipe that nobody reads blocks this thread only."""
        assert process.stdin is not None
        try:
            for line in iter(self._messages.get, None):
                process.stdin.write(line.encode() + b"\n")
                process.stdin.flush()
            process.stdin.close()
        except OSError:
            return  # the process is gone; `close` says so

    @rank_zero_only
    def close(self, status: str = "failed") -> None:
        """Finish the run, in bounded time. Lightning's `finalize` comes after every fit and test, so it is not this."""
        process = self._process
        if process is None:
            return
        if status == "preempted":
            self.send({"do": "preempting"})
        self.send({"do": "finish", "exit_code": EXIT_CODES.get(status, 1)})
        self._messages.put(None)
        self._process = None
        atexit.unregister(self.close)
        still_starting = max(0.0, self._started + self.init_timeout - time.monotonic())
        try:
            with pack.away():
                code = process.wait(timeout=still_starting + self.finish_timeout)
            if code < 0:
                self.warn(
                    f"its process was ended by signal {-code}; what it wrote lies in {self._folder}"
                )
        except subprocess.TimeoutExpired:
            self.warn(
                f"not finished within {self.finish_timeout} s; what is there lies in {self._folder}"
            )
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
