"""Logs the teacher-forcing ratio, and measures exposure bias after validations and the test."""

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from seq2seq_lab.batch import Batch
from seq2seq_lab.files import write_json
from seq2seq_lab.special_tokens import NUM_SPECIAL_TOKENS
from seq2seq_lab.training.corrupted_prefix import (
    draw_recovery,
    measure_recovery,
    measure_recovery_of_each,
)
from seq2seq_lab.training.exposure_bias import Curve, draw_curves, measure, measure_each
from seq2seq_lab.training.pack import evaluated
from seq2seq_lab.training.pack_step import Evaluation


class ExposureBias(pl.Callback):
    """Measures the loss of the first `num_pairs` pairs of a split at each teacher-forcing ratio.

    Logs `<split>/loss_at_ratio_<r>` and `<split>/exposure_bias` (free-running minus teacher-forced loss, in nats per
    token), and writes exposure_bias/<split>.json and .png in the run folder. Picture and curves go to the loggers that
    take them.
    Validations are measured every `every_n_epochs` epochs; 0 measures the test only.

    After the test, the loss after one corrupted input token as well: `test/loss_rise_at_corruption` (the step that
    reads it) and `test/loss_rise_after_corruption` (the ten steps after that), with exposure_bias/corruption.json and
    .png.
    """

    def __init__(
        self,
        num_pairs: int = 100,
        ratios: Sequence[float] = (1.0, 0.75, 0.5, 0.25, 0.0),
        every_n_epochs: int = 1,
    ):
        if num_pairs < 1:
            raise ValueError(f"num_pairs={num_pairs}: must be >= 1")
        if every_n_epochs < 0:
            raise ValueError(
                f"every_n_epochs={every_n_epochs}: must be >= 0; 0 measures the test only"
            )
        wrong = [ratio for ratio in ratios if not 0.0 <= ratio <= 1.0]
        if wrong or {0.0, 1.0} - set(ratios):
            raise ValueError(
                f"ratios={list(ratios)}: must be in [0, 1] and hold both ends, 1.0 and 0.0"
            )
        self.num_pairs, self.every_n_epochs = num_pairs, every_n_epochs
        self.ratios = tuple(sorted(ratios, reverse=True))
        self.numbers: dict[str, float] = {}

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Log the ratio of the next step."""
        ratio = pl_module.scheduled_sampling.schedule(trainer.global_step, trainer.current_epoch)
        pl_module.log("train/teacher_forcing_ratio", ratio)

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Measure the validation split."""
        every = self.every_n_epochs
        if not trainer.sanity_checking and every and trainer.current_epoch % every == 0:
            self._measure("val", trainer, pl_module)

    def on_test_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Measure the test split, and there the recovery from a corrupted token."""
        self._measure("test", trainer, pl_module)
        self._measure_recovery(trainer, pl_module)

    def _batches(self, data: Any, split: str, device: torch.device) -> list[Batch]:
        pairs = data.encoded[split]
        chosen = torch.arange(min(self.num_pairs, len(pairs)))
        order = chosen[pairs.target_lengths[chosen].argsort(stable=True)]
        return [pairs[rows].to(device) for rows in order.split(64)]

    def _measure(self, split: str, trainer: Any, module: Any) -> None:
        batches = self._batches(trainer.datamodule, split, module.device)
        if not batches:
            return
        curves = evaluated(
            Evaluation(
                module,
                f"exposure bias of {split}",
                trainer.datamodule.encoded[split],
                alone=lambda: measure(module.model, batches, self.ratios),
                at_once=lambda seedwise: measure_each(
                    seedwise.evaluated(), len(seedwise.models), batches, self.ratios
                ),
            )
        )
        named = {f"{split}/loss_at_ratio_{c.ratio:g}": c.mean for c in curves}
        named[f"{split}/exposure_bias"] = curves[-1].mean - curves[0].mean
        self.numbers |= named
        module.log_dict(named)
        if trainer.is_global_zero:
            self._write(split, curves, trainer)

    def _measure_recovery(self, trainer: Any, module: Any) -> None:
        data, batches = trainer.datamodule, self._batches(trainer.datamodule, "test", module.device)
        words = len(data.target_tokenizer)
        if words < NUM_SPECIAL_TOKENS + 2 or not any(b.target_mask.shape[1] > 1 for b in batches):
            return
        found = evaluated(
            Evaluation(
                module,
                "recovery from corrupted prefixes",
                data.encoded["test"],
                alone=lambda: measure_recovery(module.model, batches, words),
                at_once=lambda seedwise: measure_recovery_of_each(
                    seedwise.evaluated(), len(seedwise.models), batches, words
                ),
            )
        )
        named = {"test/loss_rise_at_corruption": found.at}
        named |= {} if isnan(found.after) else {"test/loss_rise_after_corruption": found.after}
        self.numbers |= named
        module.log_dict(named)
        if trainer.is_global_zero:
            folder = Path(trainer.default_root_dir) / "exposure_bias"
            folder.mkdir(exist_ok=True)
            rows = {"pairs": found.pairs, "rise": found.by_distance, "interval": found.intervals()}
            write_json(folder / "corruption.json", rows)
            draw_recovery(folder / "corruption.png", found)

    def _write(self, split: str, curves: list[Curve], trainer: Any) -> None:
        folder = Path(trainer.default_root_dir) / "exposure_bias"
        folder.mkdir(exist_ok=True)
        counts = [int(count) for count in curves[0].counts.tolist()]
        rows = {f"{c.ratio:g}": c.by_position for c in curves}
        write_json(folder / f"{split}.json", {"pairs_at_position": counts, "loss": rows})
        path = folder / f"{split}.png"
        draw_curves(path, curves, fewest=max(1, min(20, counts[0] // 5)))
        for logger in trainer.loggers:
            if hasattr(logger, "log_image"):
                logger.log_image(f"exposure_bias/{split}", path)
            if hasattr(logger, "log_curves"):
                logger.log_curves(
                    f"exposure_bias/{split}_by_position",
                    list(range(1, len(counts) + 1)),
                    {f"teacher-forcing ratio {ratio}": row for ratio, row in rows.items()},
                    title=f"Loss by target position ({split})",
                    x_label="target position",
                )
