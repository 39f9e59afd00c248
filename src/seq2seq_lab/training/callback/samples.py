"""Logs translations of a few validation pairs at every validation."""

from typing import Any

import pytorch_lightning as pl

from seq2seq_lab.inference.translator import Translation

COLUMNS = ["epoch", "source", "reference", "hypothesis", "score"]


class Samples(pl.Callback):
    """Sends a table of the first validation pairs to every logger that takes tables.

    Loggers that draw get the attention weights of the first `num_attention_maps` of them too: the same sentences at
    every validation, so that their maps can be followed over the epochs.
    """

    def __init__(self, num_samples: int = 8, num_attention_maps: int = 2):
        if num_samples < 1:
            raise ValueError(
                f"num_samples={num_samples}: must be >= 1; training/callback without samples turns it off"
            )
        if num_attention_maps < 0:
            raise ValueError(f"num_attention_maps={num_attention_maps}: must be >= 0; 0 draws none")
        self.num_samples, self.num_attention_maps = num_samples, num_attention_maps

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
        self._send_attention(found[: self.num_attention_maps], trainer)

    def _send_attention(self, found: list[Translation], trainer: Any) -> None:
        loggers = [log for log in trainer.loggers if hasattr(log, "log_attention")]
        in_training = trainer.state.fn == "fit"
        when = f"epoch {trainer.current_epoch}" if in_training else "after training"
        for number, one in enumerate(found if loggers else [], start=1):
            if not one.attention.numel():
                continue
            weights = one.attention.tolist()
            for logger in loggers:
                logger.log_attention(
                    f"attention_by_epoch/{number}",
                    weights,
                    one.source_tokens,
                    one.target_tokens,
                    title=f"{when}: {one.text}",
                )
