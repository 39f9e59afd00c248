"""Measures how many target tokens are trained per second."""

import time
from collections import deque
from typing import Any

import pytorch_lightning as pl

from seq2seq_lab.batch import Batch
from seq2seq_lab.device_queue import has_queue, wait_for


class Throughput(pl.Callback):
    """Logs `train/tokens_per_second`: of the last `window` batches at each logging step, of the epoch at its end.

    Real target tokens only, pads excluded. Waiting for data counts, validation does not. The numbers are
    those of this process; the tokens of the other processes of a distributed run come on top.
    """

    def __init__(self, window: int = 50):
        if window < 1:
            raise ValueError(f"window={window}: must be >= 1 batch")
        self.window = window
        self._recent: deque[tuple[int, float]] = deque(maxlen=window)
        self._tokens, self._seconds = 0, 0.0
        self._mark: float | None = None

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:  # noqa: ARG002
        """Start the clock of the epoch."""
        self._recent.clear()
        self._tokens, self._seconds = 0, 0.0
        self._mark = time.perf_counter()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: Any) -> None:  # noqa: ARG002
        """Stop the clock."""
        self._stop(pl_module)

    def on_train_batch_start(self, *_: Any) -> None:
        """Start the clock again after a validation inside the epoch."""
        self._mark = time.perf_counter() if self._mark is None else self._mark

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ARG002
        batch: Batch,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Count the batch; the time since the last one is the batch's, the waiting for it included."""
        now = time.perf_counter()
        seconds = now - (now if self._mark is None else self._mark)
        tokens = batch.num_target_tokens
        self._mark = now
        self._tokens, self._seconds = self._tokens + tokens, self._seconds + seconds
        self._recent.append((tokens, seconds))
        if trainer.global_step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            speed = _per_second(sum(t for t, _ in self._recent), sum(s for _, s in self._recent))
            pl_module.log("train/tokens_per_second", speed, on_step=True, on_epoch=False)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Log the speed of the whole epoch, what an accelerator still has to do included."""
        self._stop(pl_module)
        pl_module.log("train/tokens_per_second", self.epoch_speed)

    def _stop(self, pl_module: pl.LightningModule) -> None:
        """Stop the clock, when an accelerator has done what it was given."""
        if has_queue(pl_module.device) and self._mark is not None:
            wait_for(pl_module.device)
            self._seconds += time.perf_counter() - self._mark
        self._mark = None

    @property
    def epoch_speed(self) -> float:
        """Target tokens per second since the epoch began."""
        return _per_second(self._tokens, self._seconds)


def _per_second(tokens: int, seconds: float) -> float:
    return tokens / seconds if seconds > 0 else 0.0
