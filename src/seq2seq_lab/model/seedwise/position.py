"""Trained positions of several seeds."""

import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq_lab.model.position import LearnedPosition


class SeedwiseLearnedPosition(LearnedPosition):
    """An added vector per position, (seeds, positions, dim)."""

    def embed(
        self, vectors: Float[Tensor, "batch steps dim"], start: int
    ) -> Float[Tensor, "batch steps dim"]:
        """Add the vectors of the positions of each row's seed."""
        seeds, most, _ = self.vectors.shape
        position = torch.arange(start, start + vectors.shape[1], device=vectors.device)
        found = self.vectors[:, position.clamp(max=most - 1)]
        return (vectors.unflatten(0, (seeds, -1)) + found.unsqueeze(1)).flatten(0, 1)
