"""The largest of many values: block by block, since torch's own `topk` and `max` with places look at them one by one.

A maximum without its place is taken many values at a time, so blocks are compared by their maxima first.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

BLOCKS, WIDTH = 8, 128
FEWEST = 4096
"""With fewer values per row torch's own way is as fast."""


def top(
    values: Float[Tensor, "*shape values"], count: int
) -> tuple[Float[Tensor, "*shape count"], Int[Tensor, "*shape count"]]:
    """Return the `count` largest values of each row and their places, the largest first, as `torch.topk` does."""
    total, width = values.shape[-1], values.shape[-1] // BLOCKS
    if total < FEWEST or count > width or values.device.type != "cpu":
        return values.topk(count, dim=-1)
    # a block is every width-th value; the largest of all lie in the blocks of the largest maxima
    blocks = values[..., : BLOCKS * width].unflatten(-1, (BLOCKS, width)).amax(dim=-2)
    chosen = blocks.topk(count, dim=-1).indices.unsqueeze(-2)
    places = (chosen + torch.arange(0, BLOCKS * width, width).unsqueeze(-1)).flatten(-2)
    rest = torch.arange(BLOCKS * width, total).expand(*places.shape[:-1], -1)
    places = torch.cat([places, rest], dim=-1)
    best, among = values.gather(-1, places).topk(count, dim=-1)
    return best, places.gather(-1, among)


def largest(
    values: Float[Tensor, "*shape values"],
) -> tuple[Float[Tensor, "*shape"], Int[Tensor, "*shape"]]:
    """Return the largest value of each row and its place, the first of equal ones, as `torch.max` does."""
    count = values.shape[-1] // WIDTH
    if values.shape[-1] < FEWEST or values.device.type != "cpu":
        return values.max(dim=-1)
    blocks = values[..., : count * WIDTH].unflatten(-1, (count, WIDTH))
    best, block = blocks.amax(dim=-1).max(dim=-1)
    inside = blocks.gather(-2, block[..., None, None].expand(*block.shape, 1, WIDTH)).squeeze(-2)
    place = block * WIDTH + inside.argmax(dim=-1)
    if count * WIDTH < values.shape[-1]:
        last, after = values[..., count * WIDTH :].max(dim=-1)
        place = torch.where(last > best, after + count * WIDTH, place)
        best = torch.maximum(best, last)
    return best, place
