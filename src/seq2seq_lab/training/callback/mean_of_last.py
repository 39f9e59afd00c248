"""The mean of the weights after the last validations, which is tested and translates in place of the best ones."""

import sys
from pathlib import Path
from typing import Any

from seq2seq_lab.inference.averaging import average
from seq2seq_lab.inference.checkpoint_file import MEAN
from seq2seq_lab.training.callback.checkpoint import Checkpoint


class MeanOfLast(Checkpoint):
    """Keeps the checkpoints of the last `count` validations; the run ends with the mean of their weights.

    The mean is `mean.ckpt` in the run folder: validation and test at the end are its, and `translate` and every other
    command takes it for this run (Vaswani et al. 2017 average the last 5 or 20 checkpoints).
    """

    def __init__(self, count: int = 5):
        if count < 2:
            raise ValueError(
                f"count={count}: must be >= 2; without the callback the best checkpoint is tested"
            )
        self.count = count
        super().__init__(
            "step", "max", filename="mean_of_{step}", save_top_k=count, every_n_minutes=None
        )

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Remove the mean of an earlier end of this run: until the new end, other commands take the best checkpoint."""
        super().on_train_start(trainer, pl_module)
        if trainer.is_global_zero:
            trainer.strategy.checkpoint_io.remove_checkpoint(Path(trainer.default_root_dir) / MEAN)

    def write_mean(self, trainer: Any) -> Path | None:
        """Write the mean and return its path; None where nothing was stored. Every process calls this."""
        paths = [Path(path) for path in self.best_k_models]
        if not paths:
            return None
        path = Path(trainer.default_root_dir) / MEAN
        if trainer.is_global_zero:
            if len(paths) < self.count:
                sys.stderr.write(
                    f"note: the mean is of {len(paths)} checkpoints, {self.count} were asked for: training ended\n"
                )
            checkpoint = average(paths)
            del checkpoint["seq2seq_lab"]  # the plugin adds it
            trainer.strategy.checkpoint_io.save_checkpoint(checkpoint, path)
        trainer.strategy.barrier()
        return path


def tested_checkpoint(trainer: Any) -> Path | None:
    """Return the file whose weights are tested: the mean of the last where it was asked for, else the best."""
    for callback in trainer.callbacks:
        if isinstance(callback, MeanOfLast):
            return callback.write_mean(trainer)
    best = getattr(trainer.checkpoint_callback, "best_model_path", "")
    return Path(best) if best else None
