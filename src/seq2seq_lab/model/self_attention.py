"""Self-attention by scaled dot products, alone or with vectors of the distance between tokens (Shaw et al. 2018)."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq_lab.model.kernel.half_precision import attend


class SelfAttention(nn.Module):
    """Scaled dot-product attention without parameters; each layer of a Transformer has one of its own."""

    def forward(
        self,
        query: Float[Tensor, "rows heads steps width"],
        keys: Float[Tensor, "rows heads seen width"],
        values: Float[Tensor, "rows heads seen width"],
        mask: Bool[Tensor, "rows seen"] | None = None,
    ) -> Float[Tensor, "rows heads steps width"]:
        """Return what each query reads of the keys where the mask is True; None: of its own step and those before it.

        The queries are the last `steps` positions of the keys.
        """
        if mask is not None:
            allowed = mask[:, None, None]
            return attend(query, keys, values, attn_mask=allowed)
        return attend(query, keys, values, is_causal=query.shape[2] > 1)


def distances(
    steps: int, seen: int, longest: int, device: torch.device
) -> Int[Tensor, "steps seen"]:
    """Return j - i for query i and key j, cut at -+ `longest` and counted from 0; queries are the last positions."""
    query = torch.arange(seen - steps, seen, device=device).unsqueeze(1)
    return (torch.arange(seen, device=device) - query).clamp(-longest, longest) + longest


class RelativeSelfAttention(SelfAttention):
    """Adds to the key and to the value at each position a trained vector of its distance from the query.

    Every head has its own vectors; all distances from `max_distance` on share one, on either side.
    """

    def __init__(self, width: int, num_heads: int, max_distance: int):
        super().__init__()
        self.max_distance = max_distance
        shape = (num_heads, 2 * max_distance + 1, width)
        self.keys, self.values = nn.Parameter(torch.empty(shape)), nn.Parameter(torch.empty(shape))
        for vectors in (self.keys, self.values):
            nn.init.normal_(vectors, std=width**-0.5)

    def by_query(
        self, rows: Float[Tensor, "rows heads steps inner"], table: Float[Tensor, "*table"]
    ) -> Float[Tensor, "rows heads steps outer"]:
        """Return the product of each row with the table (inner, outer) of its head."""
        return rows @ table

    def forward(
        self,
        query: Float[Tensor, "rows heads steps width"],
        keys: Float[Tensor, "rows heads seen width"],
        values: Float[Tensor, "rows heads seen width"],
        mask: Bool[Tensor, "rows seen"] | None = None,
    ) -> Float[Tensor, "rows heads steps width"]:
        """Return sum_j w_j (v_j + b_(j-i)), where w is the softmax of q_i (k_j + a_(j-i)) / sqrt(width)."""
        steps, seen = query.shape[2], keys.shape[2]
        where = distances(steps, seen, self.max_distance, query.device)
        where = where.expand(*query.shape[:2], steps, seen)
        by_distance = self.by_query(query, self.keys.transpose(-1, -2))
        scores = query @ keys.transpose(2, 3) + by_distance.gather(-1, where)
        if mask is None:
            allowed = torch.ones(steps, seen, dtype=torch.bool, device=query.device)
            allowed = allowed.tril(seen - steps)
        else:
            allowed = mask[:, None, None]
        scores = (scores / math.sqrt(query.shape[-1])).masked_fill(~allowed, -torch.inf)
        weights = scores.softmax(dim=-1)
        # the weights of equal distances, summed: the table is read once, not once for each pair of positions
        summed = torch.zeros_like(by_distance).scatter_add(-1, where, weights)
        return weights @ values + self.by_query(summed, self.values)
