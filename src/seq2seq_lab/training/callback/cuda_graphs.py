"""Records the decoder's loop as CUDA graphs where it feeds back."""

import sys
from typing import Any

import pytorch_lightning as pl

from seq2seq_lab.model.checks import check_positive
from seq2seq_lab.model.kernel.graph import RecordedLoop, reason_against


class CudaGraphs(pl.Callback):
    """Trains through `RecordedLoop`: input feeding and Bahdanau's order on one GPU, teacher forcing.

    Where that is not possible training runs as without it, after a note on stderr. Sequential scheduled sampling has a
    loop of its own, which is not recorded. The values are those of the plain loop up to rounding; dropout draws others.
    """

    def __init__(self, rows: int = 16, positions: int = 8, most: int = 32):
        check_positive(rows=rows, positions=positions, most=most)
        self.rows, self.positions, self.most = rows, positions, most
        self._decoder: Any = None

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Put the recorded loop in the place of the plain one, or say why not."""
        decoder = pl_module.model.decoder
        reason = self._reason_against(trainer, pl_module) or reason_against(decoder)
        if reason is not None:
            if trainer.is_global_zero:
                sys.stderr.write(f"note: no CUDA graphs: {reason}\n")
            return
        self._decoder = decoder
        decoder.readouts = RecordedLoop(decoder, self.rows, self.positions, self.most)

    @staticmethod
    def _reason_against(trainer: Any, pl_module: Any) -> str | None:
        if pl_module.device.type != "cuda":
            return f"training runs on the {pl_module.device.type}"
        if trainer.world_size > 1:
            return f"training runs in {trainer.world_size} processes"
        if trainer.accumulate_grad_batches > 1:
            return "training.trainer.accumulate_grad_batches is above 1, and a graph overwrites its gradients"
        return None

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        """Put the plain loop back, and free the graphs."""
        if self._decoder is not None:
            del self._decoder.readouts
            self._decoder = None
