"""The Weights & Biases logger.

Local files are the record of a run. A logger that fails, hangs or is missing costs one line on stderr and nothing else.
"""

import atexit
import importlib.util
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from seq2seq_lab.errors import one_line
from seq2seq_lab.metrics.table import lower_is_better
from seq2seq_lab.training.logger.wandb_labels import Labels, labels


def _warn(text: str) -> None:
    sys.stderr.write(f"W&B: {one_line(text)}\n")


class WandbRun(Logger):
    """Sends a run to Weights & Biases from a process of its own (wandb_process.py), so that training never waits.

    Offline by default: no account, no network; files lie under <run_dir>/wandb. `online` falls back to offline with one
    warning when there is no key or no answer within `init_timeout` seconds. `close` waits `finish_timeout` seconds at
    most. Metric names are those of metrics.csv; `step` is the x axis; the summary of a validation metric is the best so
    far, until `log_summary` gives the final numbers. Group, job type and tags that are left out come from the study.
    """

    def __init__(
        self,
        project: str = "seq2seq-lab",
        mode: Literal["offline", "online", "disabled"] = "offline",
        entity: str | None = None,
        group: str | None = None,
        job_type: str | None = None,
        tags: list[str] | None = None,
        init_timeout: int = 30,
        finish_timeout: int = 60,
    ):
        super().__init__()
        if mode not in ("offline", "online", "disabled"):
            raise ValueError(f"mode={mode!r}: must be offline, online or disabled")
        if not project:
            raise ValueError("project='': must not be empty; training/logger=csv logs without W&B")
        for key, value in (("init_timeout", init_timeout), ("finish_timeout", finish_timeout)):
            if value < 1:
                raise ValueError(
                    f"{key}={value}: must be >= 1 second; training/logger=csv logs without W&B"
                )
        self.project, self.mode, self.entity, self.group = project, mode, entity, group
        self.job_type, self.tags = job_type, list(tags or [])
        self.init_timeout, self.finish_timeout = init_timeout, finish_timeout
        self._messages: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._started, self._step = 0.0, 0
        self._folder = Path()
        self._defined: set[str] = set()

    @property
    def name(self) -> str:
        """The W&B project."""
        return self.project

    @property
    def version(self) -> str:
        """Left to W&B."""
        return ""

    @rank_zero_only
    def open(self, run_dir: Path, config: dict[str, Any]) -> None:
        """Start W&B in the background; `config` is the resolved config as plain values."""
        if self.mode == "disabled" or self._process is not None:
            return
        if not is_installed("wandb"):
            _warn(
                "the package wandb is not installed, so nothing is sent; training/logger=csv says so quietly"
            )
            return
        self._folder = Path(run_dir).resolve() / "wandb"
        options: dict[str, Any] = {
            key: getattr(self, key) for key in ("project", "mode", "entity", "init_timeout")
        }
        chosen = Labels("", self.group, self.job_type or "", self.tags)
        options |= asdict(labels(chosen, self._folder.parent, config)) | {"config": config}
        options |= {"dir": str(self._folder.parent), "pid": os.getpid(), "program": sys.argv[0]}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._process = self._start_process()
        except OSError as error:
            _warn(f"cannot be started, so nothing is sent ({error})")
            return
        self._started = time.monotonic()
        self.send(options)
        threading.Thread(target=self._feed, args=(self._process,), daemon=True).start()
        atexit.register(self.close)

    @staticmethod
    def _start_process() -> subprocess.Popen[bytes]:
        script = Path(__file__).with_name("wandb_process.py")
        # -P: the folder of the script stays off the path; a session of its own: Ctrl-C reaches training only
        return subprocess.Popen(
            [sys.executable, "-P", str(script)], stdin=subprocess.PIPE, start_new_session=True
        )

    def send(self, message: dict[str, Any]) -> None:
        """Queue a message for the process; nothing happens when there is none."""
        if self._process is None:
            return
        try:
            self._messages.put(json.dumps(message, default=str))
        except (TypeError, ValueError) as error:
            _warn(f"could not log {message.get('name', message.get('do'))} ({error})")

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

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: `open` sends the config."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Send one row."""
        self._step = self._step if step is None else step
        numbers = {name: float(value) for name, value in metrics.items()}
        for name in numbers:
            if name.startswith("val/") and name not in self._defined:
                self._defined.add(name)
                best = "min" if lower_is_better(name) else "max"
                self.send({"do": "define", "name": name, "summary": best})
        self.send({"do": "log", "metrics": {**numbers, "step": self._step}})

    @rank_zero_only
    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Send a table, such as sample translations."""
        content = {"columns": list(columns), "rows": [list(row) for row in rows]}
        self.send({"do": "table", "name": name, "step": self._step, **content})

    @rank_zero_only
    def log_image(self, name: str, path: Path) -> None:
        """Send a picture; the file must stay in place until `close`."""
        path = Path(path).resolve()
        self.send({"do": "image", "name": name, "step": self._step, "path": str(path)})

    @rank_zero_only
    def log_summary(self, numbers: dict[str, float]) -> None:
        """Set the final numbers of the run."""
        self.send({"do": "summary", "numbers": dict(numbers)})

    @rank_zero_only
    def close(self, status: str = "failed") -> None:
        """Finish the run, in bounded time. Lightning's `finalize` comes after every fit and test, so it is not this."""
        process = self._process
        if process is None:
            return
        self.send({"do": "finish", "exit_code": int(status != "success")})
        self._messages.put(None)
        self._process = None
        atexit.unregister(self.close)
        still_starting = max(0.0, self._started + self.init_timeout - time.monotonic())
        try:
            code = process.wait(timeout=still_starting + self.finish_timeout)
            if code < 0:
                _warn(
                    f"its process was ended by signal {-code}; what it wrote lies in {self._folder}"
                )
        except subprocess.TimeoutExpired:
            _warn(
                f"not finished within {self.finish_timeout} s; what is there lies in {self._folder}"
            )
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def is_installed(module: str) -> bool:
    """Return whether a module can be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # ValueError: an empty entry in sys.modules
        return False
