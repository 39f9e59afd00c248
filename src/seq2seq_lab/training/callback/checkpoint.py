"""The checkpoint callback: the best checkpoints by a metric, and `last`, the current state of training."""

import math
import os
import re
import sys
import time
from pathlib import Path
from typing import Any, Literal

import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from torch import Tensor, nn

from seq2seq_lab.errors import NotFiniteError, UserError, one_line
from seq2seq_lab.inference.checkpoint_file import stated_step, verify_checkpoint
from seq2seq_lab.metrics.monitor import TIE_BREAKER, mode_of


class Checkpoint(ModelCheckpoint):
    """Saves the `save_top_k` best checkpoints by `monitor`, judged after each validation.

    `mode` follows from the metric; of equal scores the smaller validation loss is the better one. `filename` is a name
    within checkpoints/ and may hold numbers, such as `step_{step}`.

    `last` is written after each validation, every `every_n_minutes` of training in between, and at the end; null writes
    no `last`. All files are written between two optimizer steps, never in the middle of one or of a validation, so
    that a run resumed from any of them continues exactly as it would have.
    """

    def __init__(
        self,
        monitor: str,
        mode: Literal["min", "max"] | None = None,
        filename: str = "best",
        save_top_k: int = 1,
        every_n_minutes: float | None = 5.0,
    ):
        if every_n_minutes is not None and not every_n_minutes > 0:
            raise ValueError(
                f"every_n_minutes={every_n_minutes}: must be > 0; null writes no last.ckpt"
            )
        check_filename(filename, is_template=save_top_k != 1)
        super().__init__(
            filename=filename,
            monitor=monitor,
            mode=mode_of(monitor, mode),
            save_top_k=save_top_k,
            auto_insert_metric_name=False,
            enable_version_counter=False,
            save_last=every_n_minutes is not None,
        )
        self.every_n_minutes = every_n_minutes
        self.losses: dict[str, float] = {}
        self._loss_now = math.inf
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

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Write the `last` that a kill left out: a run that had ended is resumed without a step."""
        if self.every_n_minutes is None or trainer.fast_dev_run:
            return
        last = Path(str(self.dirpath)) / f"{self.CHECKPOINT_NAME_LAST}{self.FILE_EXTENSION}"
        if stated_step(last) != trainer.global_step:
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

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
        trainer.lightning_module.refuse_not_finite()
        refuse_not_finite(trainer.lightning_module, trainer.global_step)
        self._rank(filepath)
        super()._save_checkpoint(trainer, filepath)

    def _save_topk_checkpoint(self, trainer: Any, monitor_candidates: dict[str, Tensor]) -> None:
        self._loss_now = float(monitor_candidates.get(TIE_BREAKER, math.inf))
        super()._save_topk_checkpoint(trainer, monitor_candidates)

    def check_monitor_top_k(self, trainer: Any, current: Tensor | None = None) -> bool:
        """Tell whether a score belongs to the best so far; of equal scores the one with the smaller loss does."""
        is_full = 0 <= self.save_top_k <= len(self.best_k_models)
        if not is_full or current is None or current != self.kth_value:
            return super().check_monitor_top_k(trainer, current)
        is_better = self._loss_now < self.losses.get(self.kth_best_model_path, math.inf)
        return trainer.strategy.reduce_boolean_decision(is_better)

    def _rank(self, filepath: str) -> None:
        """Choose the best and the k-th best path again, the losses counted: Lightning looks at scores alone."""
        if filepath not in self.best_k_models:
            return  # `last`
        self.losses = {path: self.losses.get(path, math.inf) for path in self.best_k_models}
        self.losses[filepath] = self._loss_now
        worst_first = self._worst_first()
        self.best_model_path = worst_first[-1]
        self.best_model_score = self.best_k_models[self.best_model_path]
        if len(worst_first) == self.save_top_k:
            self.kth_best_model_path = worst_first[0]
            self.kth_value = self.best_k_models[self.kth_best_model_path]

    def _worst_first(self) -> list[str]:
        sign, scores = 1 if self.mode == "max" else -1, self.best_k_models
        return sorted(scores, key=lambda path: (sign * float(scores[path]), -self.losses[path]))

    def state_dict(self) -> dict[str, Any]:
        """Return Lightning's state, the losses, and the metrics whose checkpoint is not written yet."""
        return {**super().state_dict(), "losses": self.losses, "due": self._due}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore all of them, and the score that Lightning stores without restoring it."""
        super().load_state_dict(state_dict)
        self.current_score = state_dict["current_score"]
        self.losses, self._due = state_dict["losses"], state_dict["due"]
        self._drop_lost()

    def _drop_lost(self) -> None:
        """Forget the files that are missing or damaged, so that the best of what follows takes their place."""
        for path in [p for p in self.best_k_models if not _is_whole(Path(p))]:
            del self.best_k_models[path]
            self.losses.pop(path, None)
        if self.best_model_path not in self.best_k_models:
            left = self._worst_first()
            self.best_model_path = left[-1] if left else ""
            self.best_model_score = self.best_k_models.get(self.best_model_path)


@rank_zero_only
def _tell(text: str) -> None:
    sys.stderr.write(f"{one_line(text)}\n")


def _is_whole(path: Path) -> bool:
    try:
        verify_checkpoint(path)
    except UserError as error:
        _tell(f"lost: {error}; the run goes on, and the best of what follows takes its place")
        return False
    return True


def check_filename(filename: str, *, is_template: bool) -> None:
    """Refuse a name that leaves checkpoints/, is that of `last`, or is the same for several checkpoints."""
    bare = re.sub(r"\{[^{}/]*(/[^{}/]*)?\}", "0", filename)
    shown = f"filename={filename[:60]!r}"
    if not bare or "/" in bare or "\\" in bare or bare.startswith(".") or not bare.isprintable():
        raise ValueError(f"{shown}: must be a plain file name; it lies in the run's checkpoints/")
    if len(os.fsencode(bare)) > 100:
        raise ValueError(f"{shown}: over 100 bytes; choose a shorter name")
    if bare == ModelCheckpoint.CHECKPOINT_NAME_LAST:
        raise ValueError(
            f"{shown}: that is the file of the current state; choose another, such as best"
        )
    if is_template and bare == filename:
        raise ValueError(f"{shown}: several checkpoints need several names; add {{step}}")


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
