"""Learning-rate schedules: a factor for each optimizer step, or for each validation."""

from typing import Any

import torch
from torch.optim import Optimizer

from seq2seq_lab.metrics.monitor import mode_of
from seq2seq_lab.training.decay import linear_decay


def inverse_sqrt(step: int, warmup_steps: int) -> float:
    """Rise linearly to 1, then fall with 1 / sqrt(step) (Vaswani et al. 2017, scaled to a peak of 1)."""
    now = step + 1
    return min(now / warmup_steps, (warmup_steps / now) ** 0.5)


def hold_then_decay(epoch: int, total_epochs: int, hold: float, final: float) -> float:
    """Stay at 1 for the share `hold` of the epochs, then fall linearly towards `final` at the end."""
    start = hold * total_epochs
    if epoch <= start or total_epochs <= start:
        return 1.0
    return linear_decay(epoch - start, 1.0, final, total_epochs - start)


class Constant:
    """The optimizer's learning rate at every step."""

    def attach(self, optimizer: Optimizer) -> dict[str, Any] | None:  # noqa: ARG002
        """Return None: Lightning has no schedule to step."""
        return None


class InverseSqrt:
    """Linear warm-up, then 1 / sqrt(step): `inverse_sqrt`, stepped after each optimizer step."""

    def __init__(self, warmup_steps: int = 1000):
        if warmup_steps < 1:
            raise ValueError(f"warmup_steps={warmup_steps}: must be >= 1")
        self.warmup_steps = warmup_steps

    def attach(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return Lightning's schedule entry."""
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: inverse_sqrt(step, self.warmup_steps)
        )
        return {"scheduler": schedule, "interval": "step"}


class Linear:
    """Constant at first, then linear decay: `hold_then_decay`, stepped after each epoch."""

    def __init__(self, total_epochs: int, hold: float = 0.3, final: float = 0.05):
        if total_epochs < 1:
            raise ValueError(
                f"total_epochs={total_epochs}: must be >= 1; give training.trainer.max_epochs, or use "
                "training/lr_schedule=constant"
            )
        for name, value in (("hold", hold), ("final", final)):
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name}={value}: must be in [0, 1]")
        self.total_epochs, self.hold, self.final = total_epochs, hold, final

    def attach(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return Lightning's schedule entry."""

        def factor(epoch: int) -> float:
            return hold_then_decay(epoch, self.total_epochs, self.hold, self.final)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"scheduler": schedule, "interval": "epoch"}


class Plateau:
    """Multiply the rate by `factor` when `monitor` has not improved for more than `patience` validations."""

    def __init__(self, factor: float = 0.5, patience: int = 0, monitor: str = "val/bleu"):
        if not 0.0 < factor < 1.0:
            raise ValueError(f"factor={factor}: must be in (0, 1)")
        if patience < 0:
            raise ValueError(f"patience={patience}: must be >= 0")
        self.factor, self.patience, self.monitor, self.mode = (
            factor,
            patience,
            monitor,
            mode_of(monitor),
        )

    def attach(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return Lightning's schedule entry."""
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, mode=self.mode, factor=self.factor, patience=self.patience
        )
        return {
            "scheduler": schedule,
            "interval": "epoch",
            "monitor": self.monitor,
            "strict": False,
        }
