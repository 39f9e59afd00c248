"""The three decoder structures: where the fixed source vector enters, and whether the decoder reads its own output.

The fixed vector is the final state of the encoder's top layer. Each structure combines with attention, whose context
vector changes from step to step.
"""

from jaxtyping import Float
from torch import Tensor

from seq2seq_lab.model.checks import check_positive
from seq2seq_lab.model.state import Memory


class Context:
    """Base class: the width of the fixed vector, and whether the decoder reads its own output."""

    feeds_output = True
    every_step = True

    def __init__(self, memory_dim: int):
        check_positive(memory_dim=memory_dim)
        self.dim = memory_dim if self.every_step else 0

    def summary(self, memory: Memory) -> Float[Tensor, "batch summary"]:
        """Return the fixed source vector of every step; width 0 without one."""
        return memory.hidden[:, -1, : self.dim]


class InitialStateContext(Context):
    """The source enters through the first state only; then the previous output (Sutskever et al. 2014)."""

    every_step = False


class EveryStepContext(Context):
    """The fixed vector enters every step and the previous output does not; combine with model/bridge=zero."""

    feeds_output = False


class EveryStepAndOutputContext(Context):
    """The fixed vector and the previous output enter every step (Cho et al. 2014)."""
