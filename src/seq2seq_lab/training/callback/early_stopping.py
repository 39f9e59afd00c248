"""Early stopping: ends training when the monitored metric no longer improves, and says so."""

import sys
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks.early_stopping import EarlyStopping as LightningEarlyStopping
from pytorch_lightning.callbacks.early_stopping import EarlyStoppingReason
from torch import Tensor

from seq2seq_lab.metrics.monitor import TIE_BREAKER, mode_of


class EarlyStopping(LightningEarlyStopping):
    """Stops after `patience` validations in a row without an improvement of `monitor` by more than `min_delta`.

    An equal metric with a smaller validation loss is an improvement too: BLEU stays 0 and exact match stands still long
    before a model has learned nothing more. `stopping_threshold` ends training as soon as the metric is better than it,
    `divergence_threshold` as soon as it is worse than that. `mode` follows from the metric.
    """

    def __init__(
        self,
        monitor: str,
        mode: Literal["min", "max"] | None = None,
        patience: int = 5,
        min_delta: float = 0.0,
        stopping_threshold: float | None = None,
        divergence_threshold: float | None = None,
    ):
        if patience < 0:
            raise ValueError(f"patience={patience}: must be >= 0")
        if min_delta < 0:
            raise ValueError(f"min_delta={min_delta}: must be >= 0")
        super().__init__(
            monitor=monitor,
            mode=mode_of(monitor, mode),
            patience=patience,
            min_delta=min_delta,
            stopping_threshold=stopping_threshold,
            divergence_threshold=divergence_threshold,
            # where a validation ended: max_steps may end training before the first
            check_on_train_epoch_end=False,
        )
        self.best_loss = torch.tensor(torch.inf)
        self._loss_now = self.best_loss

    def _run_early_stopping_check(self, trainer: Any) -> None:
        self._loss_now = trainer.callback_metrics.get(TIE_BREAKER, torch.tensor(torch.inf)).cpu()
        super()._run_early_stopping_check(trainer)

    def _evaluate_stopping_criteria(self, current: Tensor) -> tuple[bool, str | None]:
        is_tie = bool(current == self.best_score.to(current.device))
        if is_tie and self._loss_now < self.best_loss:
            self.best_loss, self.wait_count = self._loss_now, 0
            return False, None
        before = self.best_score
        stops, reason = super()._evaluate_stopping_criteria(current)
        if self.best_score is not before:
            self.best_loss = self._loss_now
        return stops, reason

    def teardown(self, trainer: pl.Trainer, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        """Say on standard error that training stopped early, and why; after the last epoch's line."""
        text = self.announcement(trainer.max_epochs)
        if stage == "fit" and text and trainer.is_global_zero:
            sys.stderr.write(f"{text}\n")

    def announcement(self, max_epochs: int | None) -> str:
        """Return why training ended before its last epoch; empty if it did not."""
        epoch = self.stopped_epoch + 1
        is_last = max_epochs is not None and epoch == max_epochs
        if self.stopping_reason is EarlyStoppingReason.NOT_STOPPED or is_last:
            return ""
        if self.stopping_reason is EarlyStoppingReason.PATIENCE_EXHAUSTED:
            validations = f"{self.wait_count} validation{'s' * (self.wait_count != 1)}"
            why = f"{self.monitor} has not improved on {self.best_score:.4g} for {validations} (patience)"
        elif self.stopping_reason is EarlyStoppingReason.STOPPING_THRESHOLD:
            why = f"{self.monitor} is better than {self.stopping_threshold:g} (stopping_threshold)"
        elif self.stopping_reason is EarlyStoppingReason.DIVERGENCE_THRESHOLD:
            why = (
                f"{self.monitor} is worse than {self.divergence_threshold:g} (divergence_threshold)"
            )
        else:
            why = f"{self.monitor} is not finite"
        return f"stopped early after epoch {epoch}: {why}; training.callback.early_stopping"

    def state_dict(self) -> dict[str, Any]:
        """Return Lightning's state and the loss that breaks ties."""
        return {**super().state_dict(), "best_loss": self.best_loss}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore both."""
        super().load_state_dict(state_dict)
        self.best_loss = state_dict["best_loss"]
