"""Learning-rate schedules: a factor for each optimizer step, each epoch or each validation.

`attach(optimizer, count_steps)` returns Lightning's entry; `count_steps(epochs)` is how many optimizer steps so many
epochs make.
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from seq2seq_lab.metrics.monitor import mode_of
from seq2seq_lab.training.decay import linear_decay

CountSteps = Callable[[int], int]


def inverse_sqrt(step: int, warmup_steps: int) -> float:
    """Rise linearly to 1, then fall with 1 / sqrt(step) (Vaswani et al. 2017, scaled to a peak of 1)."""
    now = step + 1
    return min(now / warmup_steps, (warmup_steps / now) ** 0.5)


def noam(step: int, dim: int, warmup_steps: int) -> float:
    """Rise linearly for the warm-up, then fall with 1 / sqrt(step), scaled by 1 / sqrt(dim) (Vaswani et al. 2017)."""
    now = step + 1
    return dim**-0.5 * min(now**-0.5, now * warmup_steps**-1.5)


def hold_then_decay(epoch: int, total_epochs: int, hold: float, final: float) -> float:
    """Stay at 1 for the share `hold` of the epochs, then fall linearly towards `final` at the end."""
    start = hold * total_epochs
    if epoch <= start or total_epochs <= start:
        return 1.0
    return linear_decay(epoch - start, 1.0, final, total_epochs - start)


class Constant:
    """The optimizer's learning rate at every step."""

    def attach(self, optimizer: Optimizer, count_steps: CountSteps) -> dict[str, Any] | None:  # noqa: ARG002
        """Return None: Lightning has no schedule to step."""
        return None


class InverseSqrt:
    """Linear warm-up, then 1 / sqrt(step): `inverse_sqrt`, stepped after each optimizer step."""

    def __init__(self, warmup_steps: int = 1000):
        if warmup_steps < 1:
            raise ValueError(f"warmup_steps={warmup_steps}: must be >= 1")
        self.warmup_steps = warmup_steps

    def attach(self, optimizer: Optimizer, count_steps: CountSteps) -> dict[str, Any]:  # noqa: ARG002
        """Return Lightning's schedule entry."""
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: inverse_sqrt(step, self.warmup_steps)
        )
        return {"scheduler": schedule, "interval": "step"}


class Noam:
    """The rate of the Transformer's paper, `scale` times `noam`; stepped after each optimizer step.

    `dim` is the model's width. The formula gives the rate itself, so the optimizer's own rate has no part in it.
    """

    def __init__(self, dim: int, warmup_steps: int = 4000, scale: float = 1.0):
        if warmup_steps < 1:
            raise ValueError(f"warmup_steps={warmup_steps}: must be >= 1")
        if dim < 1:
            raise ValueError(f"dim={dim}: must be >= 1")
        if not scale > 0:
            raise ValueError(f"scale={scale}: must be > 0")
        self.dim, self.warmup_steps, self.scale = dim, warmup_steps, scale

    def attach(self, optimizer: Optimizer, count_steps: CountSteps) -> dict[str, Any]:  # noqa: ARG002
        """Return Lightning's schedule entry."""
        for group in optimizer.param_groups:
            group["lr"] = self.scale
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: noam(step, self.dim, self.warmup_steps)
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

    def attach(self, optimizer: Optimizer, count_steps: CountSteps) -> dict[str, Any]:  # noqa: ARG002
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

    def attach(self, optimizer: Optimizer, count_steps: CountSteps) -> dict[str, Any]:  # noqa: ARG002
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


class TorchSchedule:
    """Any schedule of `torch.optim.lr_scheduler`, a `_partial_` node, stepped once per `interval`.

    `length` names the argument that is filled with the length of the run in intervals: `epochs` of them, or the
    optimizer steps of so many epochs, at most `max_steps`. `monitor` is for ReduceLROnPlateau, whose direction follows
    from the metric. The length is part of the schedule's shape: such a run is not made longer when it is resumed.
    """

    def __init__(
        self,
        scheduler: Callable[..., LRScheduler],
        interval: Literal["epoch", "step"] = "epoch",
        length: str | None = None,
        epochs: int | None = None,
        max_steps: int | None = None,
        monitor: str | None = None,
    ):
        made = getattr(scheduler, "func", None)
        if not (isinstance(made, type) and issubclass(made, LRScheduler)):
            raise ValueError(  # noqa: TRY004
                "scheduler: must be a class of torch.optim.lr_scheduler with _partial_: true"
            )
        self.epochs, self.max_steps = _given(epochs), _given(max_steps)
        if length is not None and not (self.epochs or (self.max_steps and interval == "step")):
            raise ValueError(
                f"{made.__name__} needs the length of the run; give training.trainer.max_epochs (or max_steps, with "
                "interval=step)"
            )
        judges = issubclass(made, torch.optim.lr_scheduler.ReduceLROnPlateau)
        if judges != (monitor is not None):
            raise ValueError(
                f"monitor={monitor}: {made.__name__} "
                + ("needs one" if judges else "takes none; leave it out")
            )
        if judges and interval == "step":
            raise ValueError("interval=step: a validation comes after epochs; use interval=epoch")
        self.scheduler, self.interval, self.length, self.monitor = (
            scheduler,
            interval,
            length,
            monitor,
        )
        stand_in = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
        try:
            self.attach(stand_in, lambda epochs: epochs)
        except TypeError as error:
            raise ValueError(f"{made.__name__}: {error}") from error

    def attach(self, optimizer: Optimizer, count_steps: CountSteps) -> dict[str, Any]:
        """Return Lightning's schedule entry. Raises `ValueError` if the optimizer has not what the schedule moves."""
        given: dict[str, Any] = {}
        if self.length is not None:
            given[self.length] = self._length(count_steps)
        if self.monitor is not None:
            given["mode"] = mode_of(
                self.monitor, getattr(self.scheduler, "keywords", {}).get("mode")
            )
        entry = {"scheduler": self.scheduler(optimizer, **given), "interval": self.interval}
        return entry | ({"monitor": self.monitor, "strict": False} if self.monitor else {})

    def _length(self, count_steps: CountSteps) -> int:
        lengths = [self.max_steps] if self.interval == "step" and self.max_steps else []
        if self.epochs:
            lengths.append(count_steps(self.epochs) if self.interval == "step" else self.epochs)
        return min(lengths)


def _given(count: int | None) -> int | None:
    """Return a length, or None where there is none: Lightning writes -1 for that."""
    return count if count is not None and count > 0 else None
