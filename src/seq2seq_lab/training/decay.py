"""Decay of a number over training time, shared by learning rates and teacher-forcing ratios."""


def linear_decay(time: int | float, start: float, end: float, duration: int | float) -> float:
    """Return a value that falls or rises linearly from `start` to `end` over `duration`, and then stays at `end`."""
    return start + (end - start) * min(1.0, time / duration)
