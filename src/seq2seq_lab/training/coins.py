"""Coins: where the data's token is fed and where the model's own. True feeds the data.

The unit says what one coin decides: a token, a whole sentence or the whole batch. All draws come from the generator
that is passed in (on the CPU), so coins neither disturb nor are disturbed by any other randomness.
"""

import torch
from jaxtyping import Bool
from torch import Tensor


def throw(shape: tuple[int, int], ratio: float, generator: torch.Generator) -> Tensor:
    """Return coins that are True with probability `ratio`; certain at 0 and at 1."""
    return torch.rand(shape, generator=generator, dtype=torch.float64) < ratio


class Token:
    """A coin for every token (Bengio et al. 2015)."""

    def __call__(
        self, batch: int, steps: int, ratio: float, generator: torch.Generator
    ) -> Bool[Tensor, "batch target"]:
        """Return independent coins."""
        return throw((batch, steps), ratio, generator)


class Sequence:
    """A coin for every sentence: all of its tokens are forced, or none."""

    def __call__(
        self, batch: int, steps: int, ratio: float, generator: torch.Generator
    ) -> Bool[Tensor, "batch target"]:
        """Return rows of equal coins."""
        return throw((batch, 1), ratio, generator).expand(-1, steps)


class WholeBatch:
    """One coin for the whole batch, as many tutorials do."""

    def __call__(
        self, batch: int, steps: int, ratio: float, generator: torch.Generator
    ) -> Bool[Tensor, "batch target"]:
        """Return the same coin everywhere."""
        return throw((1, 1), ratio, generator).expand(batch, steps)
