"""Decay of a number over training time, shared by learning rates and teacher-forcing ratios."""


def linear_decay(time: float, start: float, end: float, duration: float) -> float:
    """Go from `start` to `end` in a straight line over `duration`, and stay there."""
    return start + (end - start) * min(1.0, time / duration)
