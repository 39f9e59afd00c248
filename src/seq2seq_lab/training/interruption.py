"""Signals that stop a run: it saves a checkpoint, prints how to resume, and exits."""

import os
import shlex
import signal
import sys
import threading
from types import FrameType
from typing import Any, Self

import pytorch_lightning as pl

from seq2seq_lab.errors import StoppedError
from seq2seq_lab.training.callback.checkpoint import Checkpoint, is_between_steps

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class Interruption(pl.Callback):
    """Handles SIGTERM, SIGINT (Ctrl-C) and SIGUSR1 as long as it is entered.

    In training, the step under way (and a validation that belongs to it) is finished, `last` is saved and
    `StoppedError` raised; elsewhere it is raised at once. A second signal ends the process on the spot.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._is_training = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._install()
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _install(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in SIGNALS:
            before = signal.signal(number, self._receive)
            self._before.setdefault(number, before)

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        name = signal.Signals(number).name
        if self.received is not None:
            os._exit(StoppedError("", number).exit_code)
        self.received = number
        if not self._is_training:
            raise StoppedError(f"stopped by {name}", number)
        sys.stderr.write(f"{name}: saving when this step is done; a second signal leaves at once\n")

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Take the signals back from Lightning, which ends with exit code 0 and saves nothing."""
        if self._before:
            self._install()
        self._is_training = True

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        """Stop, if a signal came; all processes of the run together."""
        if not is_between_steps(trainer):
            return
        if trainer.strategy.reduce_boolean_decision(self.received is not None, all=False):
            self._stop(trainer)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Stop before the evaluation, if a signal came in the last step."""
        self._is_training = False
        if trainer.strategy.reduce_boolean_decision(self.received is not None, all=False):
            self._stop(trainer)

    def _stop(self, trainer: Any) -> None:
        savers = [c for c in trainer.checkpoint_callbacks if isinstance(c, Checkpoint)]
        for callback in savers:
            callback.save(trainer)
        number = signal.SIGTERM if self.received is None else self.received
        text = f"stopped by {signal.Signals(number).name} after step {trainer.global_step}"
        if any(callback.every_n_minutes is not None for callback in savers):
            text += f"; saved, resume with: {resume_command(trainer.default_root_dir)}"
        else:
            text += "; nothing was saved, training/callback=checkpoint is off"
        raise StoppedError(text, number)


def resume_command(run_dir: str) -> str:
    """Return this run's command line with the overrides that resume it."""
    others = [a for a in sys.argv if not a.startswith(("run_dir=", "resume="))]
    return shlex.join(["python", *others, "resume=auto", f"run_dir={run_dir}"])
