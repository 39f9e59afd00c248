"""Signals that stop a run: it saves a checkpoint where there is something to save, and says how to resume."""

import contextlib
import signal
from typing import Any, Self

import pytorch_lightning as pl

from seq2seq_lab import stopping
from seq2seq_lab.stopping import StoppedError
from seq2seq_lab.training.callback.checkpoint import Checkpoint, is_between_steps


class Interruption(pl.Callback):
    """Answers the signals of `stopping` as long as it is entered: from the making of the run folder to the summary.

    In training, the step under way (and a validation that belongs to it) is finished, `last` is saved and
    `StoppedError` raised; elsewhere it is raised at once. All processes of a run stop together: those that another one
    started wait for it. A second signal ends the process on the spot. `resume_command` goes into the message.
    """

    def __init__(self, resume_command: str = "") -> None:
        self.resume_command = resume_command
        self._is_training = self._is_trained = self._is_recorded = False
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._open.enter_context(stopping.listening(self._receive, None))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _receive(self, number: int) -> None:
        if not self._is_training:
            raise StoppedError(self._text(number), number)
        name = signal.Signals(number).name
        stopping.say(f"{name}: saving when this step is done; a second signal leaves at once")

    def _text(self, number: int, done: str = "") -> str:
        if self._is_trained:
            done = " in the final evaluation; training is over and saved"
        if self._is_recorded:
            return f"stopped by {signal.Signals(number).name}; the run is finished and its results are written"
        return f"stopped by {signal.Signals(number).name}{done}; resume with: {self.resume_command}"

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        """Keep Lightning's handlers out: on SIGTERM they save nothing and end with exit code 0."""
        trainer._signal_connector.register_signal_handlers = lambda: None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """From now on there is something to save."""
        self._is_training = True

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        """Stop, if a signal came; all processes of the run together."""
        if is_between_steps(trainer):
            self._stop_if_asked(trainer)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Stop before the evaluation, if a signal came in the last step."""
        self._stop_if_asked(trainer)

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Stop before the evaluation, if a signal came while the last checkpoint was written."""
        self._is_training, self._is_trained = False, True
        self._stop_if_asked(trainer)

    def recorded(self) -> None:
        """Note that result.json is written: what comes now can be left out."""
        self._is_recorded = True

    def _stop_if_asked(self, trainer: Any) -> None:
        asked = stopping.received()
        if not trainer.strategy.reduce_boolean_decision(asked is not None, all=False):
            return
        number = signal.SIGTERM if asked is None else asked  # None: another process was asked
        if self._is_trained:
            raise StoppedError(self._text(number), number)
        savers = [c for c in trainer.checkpoint_callbacks if isinstance(c, Checkpoint)]
        for callback in savers:
            callback.save(trainer)
        is_saved = any(callback.every_n_minutes is not None for callback in savers)
        what = "saved" if is_saved else "nothing was saved, training/callback=checkpoint is off"
        raise StoppedError(self._text(number, f" after step {trainer.global_step}; {what}"), number)
