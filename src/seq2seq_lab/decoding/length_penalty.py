"""Length penalties: divisors of the log-probability, so that hypotheses of different lengths compete.

No divisor decreases with the length (in tokens, the end token included); from this a search knows when no longer
hypothesis can win.
"""

from dataclasses import dataclass


def gnmt_divisor(length: int, alpha: float) -> float:
    """Return ((5 + length) / 6) ** alpha (Wu et al. 2016)."""
    return ((5 + length) / 6) ** alpha


def power_divisor(length: int, alpha: float) -> float:
    """Return length ** alpha; 0 compares plain scores, 1 their mean per token."""
    return float(length**alpha)


def _check_alpha(alpha: float) -> None:
    if alpha < 0:
        raise ValueError(f"alpha={alpha}: must be >= 0; 0 compares plain log-probabilities")


@dataclass(frozen=True)
class NoPenalty:
    """Plain log-probabilities, which favour short outputs, the more the wider the beam is."""

    def divisor(self, length: int) -> float:  # noqa: ARG002
        """Return 1."""
        return 1.0


@dataclass(frozen=True)
class GnmtPenalty:
    """((5 + length) / 6) ** alpha (Wu et al. 2016)."""

    alpha: float = 0.6

    def __post_init__(self) -> None:
        _check_alpha(self.alpha)

    def divisor(self, length: int) -> float:
        """Return the divisor for a hypothesis of `length` tokens."""
        return gnmt_divisor(length, self.alpha)


@dataclass(frozen=True)
class PowerPenalty:
    """Length ** alpha."""

    alpha: float = 1.0

    def __post_init__(self) -> None:
        _check_alpha(self.alpha)

    def divisor(self, length: int) -> float:
        """Return the divisor for a hypothesis of `length` tokens."""
        return power_divisor(length, self.alpha)


@dataclass(frozen=True)
class AveragePenalty:
    """The mean log-probability per token."""

    def divisor(self, length: int) -> float:
        """Return the length itself."""
        return float(length)
