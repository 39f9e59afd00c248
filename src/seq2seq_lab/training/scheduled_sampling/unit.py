"""Which positions of a batch get the reference token, and which a token sampled from the model.

The unit says what one random draw decides: a token, a sequence or the whole batch. All draws come from the generator
that is passed in (on the CPU), so scheduled sampling and other randomness are independent of each other.
"""

import torch
from jaxtyping import Bool
from torch import Tensor


def bernoulli(shape: tuple[int, int], ratio: float, generator: torch.Generator) -> Tensor:
    """Return booleans that are True with probability `ratio`; certain at 0 and at 1."""
    return torch.rand(shape, generator=generator, dtype=torch.float64) < ratio


class Token:
    """One draw for every token (Bengio et al. 2015)."""

    def __call__(
        self, batch: int, steps: int, ratio: float, generator: torch.Generator
    ) -> Bool[Tensor, "batch target"]:
        """Return True where the reference token is the input; all entries are independent."""
        return bernoulli((batch, steps), ratio, generator)


class Sequence:
    """One draw for every sequence: all of its inputs are reference tokens, or none."""

    def __call__(
        self, batch: int, steps: int, ratio: float, generator: torch.Generator
    ) -> Bool[Tensor, "batch target"]:
        """Return True where the reference token is the input; a row is all True or all False."""
        return bernoulli((batch, 1), ratio, generator).expand(-1, steps)


class WholeBatch:
    """One draw for the whole batch, as in many tutorials."""

    def __call__(
        self, batch: int, steps: int, ratio: float, generator: torch.Generator
    ) -> Bool[Tensor, "batch target"]:
        """Return all True or all False."""
        return bernoulli((1, 1), ratio, generator).expand(batch, steps)
