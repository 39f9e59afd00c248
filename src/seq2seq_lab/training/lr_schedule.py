"""Learning-rate schedules: a factor for each optimizer step, or for each validation."""

from typing import Any

import torch
from torch.optim import Optimizer


def inverse_sqrt(step: int, warmup_steps: int) -> float:
    """Rise linearly to 1, then fall with 1 / sqrt(step) (Vaswani et al. 2017, scaled to a peak of 1)."""
    now = step + 1
    return min(now / warmup_steps, (warmup_steps / now) ** 0.5)


def linear_warmup_decay(step: int, warmup_steps: int, total_steps: int, final: float) -> float:
    """Rise linearly to 1, then fall linearly to `final` at `total_steps` and stay there."""
    now = step + 1
    if now <= warmup_steps:
        return now / warmup_steps
    done = min(1.0, (now - warmup_steps) / max(1, total_steps - warmup_steps))
    return 1.0 - (1.0 - final) * done


class Constant:
    """The optimizer's rate throughout."""

    def attach(self, optimizer: Optimizer) -> dict[str, Any] | None:  # noqa: ARG002
        """Return nothing for Lightning to step."""
        return None


class InverseSqrt:
    """`inverse_sqrt` per optimizer step."""

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
    """`linear_warmup_decay` per optimizer step; the user says how many steps the run has."""

    def __init__(self, total_steps: int, warmup_steps: int = 0, final: float = 0.0):
        if total_steps < 1:
            raise ValueError(f"total_steps={total_steps}: must be >= 1")
        if not 0 <= warmup_steps <= total_steps:
            raise ValueError(f"warmup_steps={warmup_steps}: must be in [0, total_steps]")
        if not 0.0 <= final <= 1.0:
            raise ValueError(f"final={final}: must be in [0, 1]")
        self.total_steps, self.warmup_steps, self.final = total_steps, warmup_steps, final

    def attach(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return Lightning's schedule entry."""

        def factor(step: int) -> float:
            return linear_warmup_decay(step, self.warmup_steps, self.total_steps, self.final)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"scheduler": schedule, "interval": "step"}


class Plateau:
    """Multiply the rate by `factor` when validation BLEU has not risen for more than `patience` validations."""

    def __init__(self, factor: float = 0.5, patience: int = 0):
        if not 0.0 < factor < 1.0:
            raise ValueError(f"factor={factor}: must be in (0, 1)")
        if patience < 0:
            raise ValueError(f"patience={patience}: must be >= 0")
        self.factor, self.patience = factor, patience

    def attach(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return Lightning's schedule entry."""
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, mode="max", factor=self.factor, patience=self.patience
        )
        return {"scheduler": schedule, "interval": "epoch", "monitor": "val/bleu", "strict": False}
