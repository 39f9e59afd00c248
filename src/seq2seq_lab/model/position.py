"""Position encodings of a Transformer, whose attention alone does not depend on the order of its inputs.

A position encoding acts in one of three places: `embed` on the input of the first layer, `rotate` on the queries and
keys of every self-attention, or inside the self-attention that each layer gets from `self_attention`. Steps are counted
from `start`, so that one step at a time equals all steps at once.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seq2seq_lab.model.checks import check_positive
from seq2seq_lab.model.self_attention import RelativeSelfAttention, SelfAttention


def angles(
    start: int, steps: int, width: int, like: Float[Tensor, "..."]
) -> Float[Tensor, "steps half"]:
    """Return position / 10000^(2i / width) for i = 0, 1 ... below width / 2, in float32 or better."""
    dtype = torch.promote_types(like.dtype, torch.float32)
    position = torch.arange(start, start + steps, device=like.device, dtype=dtype)
    exponent = torch.arange(0, width, 2, device=like.device, dtype=dtype) / width
    return position.unsqueeze(1) * 10000.0**-exponent


def rotate(
    vectors: Float[Tensor, "batch heads steps width"], by: Float[Tensor, "steps half"]
) -> Float[Tensor, "batch heads steps width"]:
    """Rotate each pair of neighbouring components by its angle; norms do not change."""
    cos, sin = by.cos().to(vectors), by.sin().to(vectors)
    first, second = vectors[..., 0::2], vectors[..., 1::2]
    pairs = torch.stack((first * cos - second * sin, first * sin + second * cos), dim=-1)
    return pairs.flatten(-2)


class Position(nn.Module):
    """Base class: inputs, queries and keys stay as they are, and self-attention does not see positions."""

    def __init__(self, dim: int, num_heads: int):
        super().__init__()
        check_positive(dim=dim, num_heads=num_heads)
        self.dim = dim

    def embed(
        self,
        vectors: Float[Tensor, "batch steps dim"],
        start: int,  # noqa: ARG002
    ) -> Float[Tensor, "batch steps dim"]:
        """Return the input vectors of the first layer."""
        return vectors

    def rotate(
        self,
        heads: Float[Tensor, "batch heads steps width"],
        start: int,  # noqa: ARG002
    ) -> Float[Tensor, "batch heads steps width"]:
        """Return the queries or keys of a self-attention."""
        return heads

    def self_attention(self) -> SelfAttention:
        """Return the self-attention of one layer, with parameters of its own if it has any."""
        return SelfAttention()


class SinusoidalPosition(Position):
    """Added sines and cosines of decreasing frequency (Vaswani et al. 2017); no parameters, any length."""

    def embed(
        self, vectors: Float[Tensor, "batch steps dim"], start: int
    ) -> Float[Tensor, "batch steps dim"]:
        """Add sin at even components and cos at odd ones."""
        by = angles(start, vectors.shape[1], self.dim, vectors)
        waves = torch.stack((by.sin(), by.cos()), dim=-1).flatten(1)
        return vectors + waves[:, : self.dim].to(vectors)


class LearnedPosition(Position):
    """An added trained vector per position; all positions from `max_positions` on share the last one."""

    def __init__(self, dim: int, num_heads: int, max_positions: int = 256):
        super().__init__(dim, num_heads)
        check_positive(max_positions=max_positions)
        self.vectors = nn.Parameter(torch.empty(max_positions, dim))
        nn.init.normal_(self.vectors, std=dim**-0.5)

    def embed(
        self, vectors: Float[Tensor, "batch steps dim"], start: int
    ) -> Float[Tensor, "batch steps dim"]:
        """Add the vectors of the positions."""
        position = torch.arange(start, start + vectors.shape[1], device=vectors.device)
        return vectors + self.vectors[position.clamp(max=len(self.vectors) - 1)]


class RotaryPosition(Position):
    """Rotated queries and keys, so that a score depends on relative positions alone (Su et al. 2021)."""

    def __init__(self, dim: int, num_heads: int):
        super().__init__(dim, num_heads)
        if dim // num_heads % 2:
            raise ValueError(
                f"dim={dim}, num_heads={num_heads}: rotary positions rotate pairs, so dim / num_heads must be even; "
                "change one of them or use model/position=sinusoidal"
            )

    def rotate(
        self, heads: Float[Tensor, "batch heads steps width"], start: int
    ) -> Float[Tensor, "batch heads steps width"]:
        """Rotate each step by its position."""
        return rotate(heads, angles(start, heads.shape[2], heads.shape[3], heads))


class RelativePosition(Position):
    """Trained vectors of the distance between query and key, in each layer and head (Shaw et al. 2018).

    All distances from `max_distance` on share one vector, on either side.
    """

    def __init__(self, dim: int, num_heads: int, max_distance: int = 16):
        super().__init__(dim, num_heads)
        check_positive(max_distance=max_distance)
        self.num_heads, self.max_distance = num_heads, max_distance

    def self_attention(self) -> SelfAttention:
        """Return the self-attention of one layer, with vectors of its own."""
        return RelativeSelfAttention(self.dim // self.num_heads, self.num_heads, self.max_distance)
