"""Prints one line per epoch, and a live progress bar on a terminal."""

import sys
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ProgressBar

from seq2seq_lab.metrics.table import METRICS


def _columns() -> dict[str, str]:
    """Return the format of each number in an epoch's line, in this order."""
    return {
        "train/loss_epoch": "loss {:.3f}",
        "val/loss": "val loss {:.3f}",
        "val/perplexity": "ppl {:.2f}",
        **{f"val/{name}": row.epoch_line for name, row in METRICS.items() if row.epoch_line},
        "train/tokens_per_second": "{:,.0f} tokens/s",
    }


def epoch_line(
    epoch: int, max_epochs: int | None, metrics: dict[str, float], seconds: float
) -> str:
    """Return the line of an epoch with the numbers that were measured; epochs are counted from 1 as in `max_epochs`."""
    total = f"/{max_epochs}" if max_epochs is not None and max_epochs > 0 else ""
    number = f"epoch {epoch + 1:>{len(total.lstrip('/')) or 1}}{total}"
    shown = [text.format(metrics[name]) for name, text in _columns().items() if name in metrics]
    return "  ".join([number, *shown, f"{seconds:.1f} s"])


def bar_line(done: int, total: int | float, loss: float | None, width: int = 24) -> str:
    """Return the bar of a running epoch; a total that is not known (infinite) shows the count alone."""
    loss_text = "" if loss is None else f"  loss {loss:.3f}"
    if not 0 < total < float("inf"):
        return f"  batch {done}{loss_text}"
    filled = int(width * min(done / total, 1.0))
    return f"  [{'█' * filled}{'·' * (width - filled)}] {done}/{int(total)}{loss_text}"


class Progress(ProgressBar):
    """Prints one line per epoch to stderr, and on a terminal a bar that is redrawn `per_second` times at most.

    It reads what was logged already and takes nothing from the device between the redraws.
    """

    def __init__(self, per_second: float = 5.0):
        if not per_second > 0:
            raise ValueError(
                f"per_second={per_second}: must be > 0; training/callback without progress turns it off"
            )
        super().__init__()
        self.per_second = per_second
        self._enabled = True
        self._epoch_start = self._last_drawn = 0.0
        self._finished_epoch: tuple[int, float] | None = None

    def disable(self) -> None:
        """Turn it off: Lightning calls this on all processes but the first."""
        self._enabled = False

    def enable(self) -> None:
        """Turn it on."""
        self._enabled = True

    def print(self, *args: Any, **_: Any) -> None:
        """Print above the bar."""
        self._write(" ".join(map(str, args)))

    def _write(self, line: str) -> None:
        if self._enabled:
            clear = "\r\033[K" if sys.stderr.isatty() else ""
            sys.stderr.write(f"{clear}{line}\n")
            sys.stderr.flush()

    def _is_due(self) -> bool:
        is_late = time.monotonic() - self._last_drawn >= 1 / self.per_second
        return self._enabled and is_late and sys.stderr.isatty()

    def _draw(self, line: str) -> None:
        if self._is_due():
            sys.stderr.write(f"\r\033[K{line}")
            sys.stderr.flush()
            self._last_drawn = time.monotonic()

    def _clear(self) -> None:
        if self._enabled and sys.stderr.isatty():
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:  # noqa: ARG002
        """Start the clock: a resumed run may be in the middle of an epoch."""
        self._epoch_start = time.monotonic()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:  # noqa: ARG002
        """Print the epoch before, now that all of it is logged, and start the clock."""
        self._print_epoch(trainer)
        self._epoch_start = time.monotonic()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Redraw the bar."""
        if self._is_due():
            loss = trainer.callback_metrics.get("train/loss")
            done = trainer.fit_loop.epoch_loop.batch_progress.current.processed  # type: ignore[attr-defined]
            self._draw(
                bar_line(done, trainer.num_training_batches, None if loss is None else float(loss))
            )

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Show that validation is at work."""
        if not trainer.sanity_checking:
            self._draw("  validating ...")

    def on_validation_end(self, *_: Any) -> None:
        """Take that away again."""
        self._clear()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:  # noqa: ARG002
        """Remember the epoch: callbacks after this one may still log."""
        self._finished_epoch = (trainer.current_epoch, time.monotonic() - self._epoch_start)

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:  # noqa: ARG002
        """Print the last epoch."""
        self._print_epoch(trainer)

    def on_exception(self, trainer: pl.Trainer, pl_module: Any, exception: BaseException) -> None:  # noqa: ARG002
        """Leave a clean line for the message that follows."""
        self._clear()

    def _print_epoch(self, trainer: pl.Trainer) -> None:
        if self._finished_epoch is None:
            return
        epoch, seconds = self._finished_epoch
        self._finished_epoch = None
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self._write(epoch_line(epoch, trainer.max_epochs, metrics, seconds))
