"""Attention maps: heat maps of the attention weights of the first test pairs."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from seq2seq_lab.training.attention_map import draw_attention


class AttentionMaps(pl.Callback):
    """Writes attention/<number>.png after the test and sends the images to loggers that take them."""

    def __init__(self, num_maps: int = 3):
        if num_maps < 1:
            raise ValueError(f"num_maps={num_maps}: must be >= 1")
        self.num_maps = num_maps

    def on_test_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Translate, draw and log; nothing is drawn for a model without attention."""
        pairs = trainer.datamodule.pairs["test"][: self.num_maps]
        if not pairs or not trainer.is_global_zero:
            return
        found = pl_module.translator.translate([pair.source for pair in pairs])
        folder = Path(trainer.default_root_dir) / "attention"
        folder.mkdir(exist_ok=True)
        for number, translation in enumerate(found, start=1):
            if not translation.attention.numel():
                continue
            path = folder / f"{number}.png"
            draw_attention(
                path,
                translation.attention.float().cpu().numpy(),
                translation.source_tokens,
                translation.target_tokens,
                title=translation.text,
            )
            for logger in trainer.loggers:
                if hasattr(logger, "log_image"):
                    logger.log_image(f"attention/{number}", path)
