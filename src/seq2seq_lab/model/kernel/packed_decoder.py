"""A decoder for many steps: its weights are packed once, gradients included."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class PackedDecoder:
    """The steps of a decoder, equal to those of the decoder itself; made anew for each loop or search.

    Made without gradients it cannot train. `step_embedded` holds the packed weights.
    """

    embed: Callable[[Tensor], Tensor]
    step_embedded: Callable[[Tensor, Any], tuple[Tensor, Any]]

    def step(self, token: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Read one token per hypothesis; return the logits of the next one and the new state."""
        return self.step_embedded(self.embed(token.unsqueeze(1))[:, 0], state)
