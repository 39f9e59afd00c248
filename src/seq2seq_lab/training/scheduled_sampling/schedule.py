"""Schedules of scheduled sampling: the teacher-forcing ratio over training time (Bengio et al. 2015).

The teacher-forcing ratio is the share of the decoder's inputs that are reference tokens. A schedule is a function of
time, counted in optimizer steps or in epochs from the end of the warm-up, during which the ratio is 1.
"""

import math

from seq2seq_lab.training.decay import linear_decay


def exponential_decay(time: int, base: float) -> float:
    """Return base ** time."""
    return base**time


def inverse_sigmoid_decay(time: int, speed: float) -> float:
    """Return k / (k + exp(time / k)) for k = `speed`; 1/2 is reached at time k ln k."""
    exponent = time / speed
    # the same fraction with a negative exponent, which cannot overflow
    return speed * math.exp(-exponent) / (speed * math.exp(-exponent) + 1.0)


def check_ratio(name: str, value: float) -> float:
    """Return the ratio; raise `ValueError` outside [0, 1]."""
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name}={value}: must be in [0, 1]")
    return value


class Schedule:
    """What the schedules share: the unit of time, and a ratio of 1 during the warm-up."""

    def __init__(self, warmup: int = 0, *, by_epoch: bool = False):
        if warmup < 0:
            raise ValueError(f"warmup={warmup}: must be >= 0 ({'epochs' if by_epoch else 'steps'})")
        self.warmup, self.by_epoch = warmup, by_epoch

    def at(self, time: int) -> float:
        """Return the ratio `time` steps or epochs after the warm-up."""
        raise NotImplementedError

    def __call__(self, step: int, epoch: int) -> float:
        """Return the ratio at this optimizer step of this epoch (both counted from 0)."""
        time = (epoch if self.by_epoch else step) - self.warmup
        return 1.0 if time < 0 else self.at(time)


class Constant(Schedule):
    """The same ratio at every step: 1 is pure teacher forcing, at 0 every input is the model's own output."""

    def __init__(self, ratio: float = 1.0, warmup: int = 0, *, by_epoch: bool = False):
        super().__init__(warmup, by_epoch=by_epoch)
        self.ratio = check_ratio("ratio", ratio)

    def at(self, time: int) -> float:  # noqa: ARG002
        """Return the ratio."""
        return self.ratio


class Linear(Schedule):
    """`linear_decay` over `duration` steps or epochs."""

    def __init__(
        self,
        duration: int,
        start: float = 1.0,
        end: float = 0.0,
        warmup: int = 0,
        *,
        by_epoch: bool = False,
    ):
        super().__init__(warmup, by_epoch=by_epoch)
        if duration < 1:
            raise ValueError(f"duration={duration}: must be >= 1")
        self.duration = duration
        self.start, self.end = check_ratio("start", start), check_ratio("end", end)
        if end > start:
            raise ValueError(f"end={end}: must be <= start={start}; a ratio only falls")

    def at(self, time: int) -> float:
        """Return the point on the line."""
        return linear_decay(time, self.start, self.end, self.duration)


class Exponential(Schedule):
    """`exponential_decay`, never below `end`."""

    def __init__(self, base: float, end: float = 0.0, warmup: int = 0, *, by_epoch: bool = False):
        super().__init__(warmup, by_epoch=by_epoch)
        if not 0.0 < base < 1.0:
            raise ValueError(f"base={base}: must be in (0, 1); near 1 for a slow decay")
        self.base, self.end = base, check_ratio("end", end)

    def at(self, time: int) -> float:
        """Return base ** time, or `end` where that is larger."""
        return max(self.end, exponential_decay(time, self.base))


class InverseSigmoid(Schedule):
    """`inverse_sigmoid_decay`, never below `end`."""

    def __init__(self, speed: float, end: float = 0.0, warmup: int = 0, *, by_epoch: bool = False):
        super().__init__(warmup, by_epoch=by_epoch)
        if speed < 1.0:
            raise ValueError(f"speed={speed}: must be >= 1; larger is slower")
        self.speed, self.end = speed, check_ratio("end", end)

    def at(self, time: int) -> float:
        """Return k / (k + exp(time / k)), or `end` where that is larger."""
        return max(self.end, inverse_sigmoid_decay(time, self.speed))
