"""Logs translations of a few validation pairs at every validation."""

from typing import Any

import pytorch_lightning as pl

COLUMNS = ["epoch", "source", "reference", "hypothesis", "score"]


class Samples(pl.Callback):
    """Sends a table of the first validation pairs to every logger that takes tables."""

    def __init__(self, num_samples: int = 8):
        if num_samples < 1:
            raise ValueError(
                f"num_samples={num_samples}: must be >= 1; training/callback without samples turns it off"
            )
        self.num_samples = num_samples

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Translate and log."""
        loggers = [log for log in trainer.loggers if hasattr(log, "log_table")]
        if not loggers or not trainer.is_global_zero:
            return
        pairs = trainer.datamodule.pairs["val"][: self.num_samples]
        found = pl_module.translator.translate([pair.source for pair in pairs])
        rows = [
            [trainer.current_epoch, p.source, p.target, t.text, t.score]
            for p, t in zip(pairs, found, strict=True)
        ]
        for logger in loggers:
            logger.log_table("samples", COLUMNS, rows)
