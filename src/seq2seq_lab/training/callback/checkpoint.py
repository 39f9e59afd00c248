"""The checkpoint callback: the best checkpoints by a metric, and `last`, the current state of training."""

import time
from typing import Any, Literal

import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor, nn

from seq2seq_lab.errors import NotFiniteError


class Checkpoint(ModelCheckpoint):
    """Saves the `save_top_k` best checkpoints by `monitor`, judged after each validation.

    `last` is written after each validation, every `every_n_minutes` of training in between, and at the end; null writes
    no `last`. All files are written between two optimizer steps, never in the middle of one or of a validation, so
    that a run resumed from any of them continues exactly as it would have.
    """

    def __init__(
        self,
        monitor: str,
        mode: Literal["min", "max"] = "max",
        filename: str = "best",
        save_top_k: int = 1,
        every_n_minutes: float | None = 5.0,
    ):
        if every_n_minutes is not None and not every_n_minutes > 0:
            raise ValueError(
                f"every_n_minutes={every_n_minutes}: must be > 0; null writes no last.ckpt"
            )
        super().__init__(
            filename=filename,
            monitor=monitor,
            mode=mode,
            save_top_k=save_top_k,
            auto_insert_metric_name=False,
            enable_version_counter=False,
            save_last=every_n_minutes is not None,
        )
        self.every_n_minutes = every_n_minutes
        self._due: dict[str, Tensor] | None = None
        self._saved_at = 0.0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Start the clock."""
        self._saved_at = time.monotonic()

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Store the measured metrics; they are compared before the next step, when this one is complete."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking and not trainer.fast_dev_run:
            self._due = self._monitor_candidates(trainer)

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        """Save what is due, between two steps."""
        if is_between_steps(trainer) and (self._due is not None or self._is_time(trainer)):
            self.save(trainer)

    def on_train_batch_end(self, *_: Any) -> None:
        """Do nothing: other callbacks of this step have not run yet."""

    def on_train_epoch_end(self, *_: Any) -> None:
        """Do nothing: other callbacks of this epoch have not run yet."""

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Save where training ended."""
        if not trainer.fast_dev_run:
            self.save(trainer)

    def _is_time(self, trainer: Any) -> bool:
        if self.every_n_minutes is None or trainer.fast_dev_run:
            return False
        late = time.monotonic() - self._saved_at >= 60 * self.every_n_minutes
        return trainer.strategy.reduce_boolean_decision(late, all=False)

    def save(self, trainer: Any) -> None:
        """Write the checkpoint of the latest validation if there is one, and `last`; call between two steps only."""
        due, self._due = self._due, None
        if due is not None:
            self._save_topk_checkpoint(trainer, due)
        if self.every_n_minutes is not None:
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))
            self._saved_at = time.monotonic()

    def _save_checkpoint(self, trainer: Any, filepath: str) -> None:
        refuse_not_finite(trainer.lightning_module, trainer.global_step)
        super()._save_checkpoint(trainer, filepath)

    def state_dict(self) -> dict[str, Any]:
        """Return Lightning's state and the metrics whose checkpoint is not written yet."""
        return {**super().state_dict(), "due": self._due}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore both, and the score that Lightning stores without restoring it."""
        super().load_state_dict(state_dict)
        self.current_score = state_dict["current_score"]
        self._due = state_dict["due"]


def is_between_steps(trainer: Any) -> bool:
    """Return, at the start of a batch, whether no gradient of an earlier batch waits for its optimizer step."""
    done = trainer.fit_loop.epoch_loop.batch_progress.current.completed
    return done % trainer.accumulate_grad_batches == 0


def refuse_not_finite(module: nn.Module, step: int) -> None:
    """Raise `NotFiniteError` if a weight is not finite, so that it never replaces a good checkpoint."""
    finite = [parameter.isfinite().all() for parameter in module.parameters()]
    if finite and not bool(torch.stack(finite).all()):
        raise NotFiniteError(
            f"the weights are not finite after step {step}; lower training.optimizer.lr or "
            "training.trainer.gradient_clip_val; what is in checkpoints/ is older and finite"
        )
