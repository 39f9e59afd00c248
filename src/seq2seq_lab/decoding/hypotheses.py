"""What every search returns: one hypothesis per input row, in input order."""

from dataclasses import dataclass
from typing import Any, Protocol

from jaxtyping import Float, Int
from torch import Tensor


class State(Protocol):
    """A decoder state as a search sees it: rows that can be picked, and the latest attention weights."""

    attention: Tensor

    def select(self, rows: Tensor) -> Any:
        """Return the state of these rows."""
        ...


class Step(Protocol):
    """One decoder step: (token ids, state) -> (logits, new state)."""

    def __call__(self, token: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Read one token per row."""
        ...


@dataclass(frozen=True)
class Hypothesis:
    """One output: its tokens without the end token, and whether the end token came within the limit.

    `score` is the sum of the log-probabilities of the tokens, the end token included where it came. `attention` has a
    row for every produced token, the end token included (width 0 without attention).
    """

    tokens: Int[Tensor, " target"]
    score: float
    finished: bool
    attention: Float[Tensor, "steps source"]
