"""Trained positions of several seeds."""

import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq_lab.model.position import LearnedPosition
from seq2seq_lab.model.self_attention import RelativeSelfAttention


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


class SeedwiseRelativeSelfAttention(RelativeSelfAttention):
    """Vectors of the distance, (seeds, heads, distances, width)."""

    def by_query(
        self, rows: Float[Tensor, "rows heads steps inner"], table: Float[Tensor, "*table"]
    ) -> Float[Tensor, "rows heads steps outer"]:
        """Return the product of each row with the table of its seed and head."""
        return (rows.unflatten(0, (len(table), -1)) @ table.unsqueeze(1)).flatten(0, 1)
