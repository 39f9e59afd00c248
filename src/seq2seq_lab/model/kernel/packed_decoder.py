"""A decoder for many steps: its weights are packed once, gradients included."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class PackedDecoder:
    """The steps of a decoder, equal to those of the decoder itself; made anew for each loop or search.

    Made without gradients it cannot train. `step_embedded` holds the packed weights; where the embeddings are those of
    tokens, it may be given these too, to compute once what rows of equal tokens share.
    """

    embed: Callable[[Tensor], Tensor]
    step_embedded: Callable[..., tuple[Tensor, Any]]

    def step(self, token: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Read one token per hypothesis; return the logits of the next one and the new state."""
        return self.step_embedded(self.embed(token.unsqueeze(1))[:, 0], state, token)
