"""Products of a search whose rows are copies of each other: each different row is multiplied once.

Of the five hypotheses that go on in a beam several continue the same one, and many sentences write the same token.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

BLOCK = 16
"""Different rows are filled up to a multiple of this, so that a kernel meets few sizes."""
LARGEST = 2**16
"""Up to so many elements are multiplied as they are: to look for copies among them costs what it saves."""


def different_rows(
    keys: Int[Tensor, " rows"],
) -> tuple[Int[Tensor, " different"], Int[Tensor, " rows"]]:
    """Return one row of each key, and for each row the place of its key among them."""
    values, place = keys.unique(return_inverse=True)
    first = place.new_zeros(-(-len(values) // BLOCK) * BLOCK)
    first[place] = torch.arange(len(keys))
    return first, place


def times_once(
    product: Callable[..., Tensor],
    inputs: Float[Tensor, "rows input"],
    keys: Int[Tensor, " rows"] | None,
    base: Float[Tensor, "rows output"] | None = None,
) -> Float[Tensor, "rows output"]:
    """Return base + W inputs + b, where rows of equal keys have equal inputs (None: nothing is known of them).

    On an accelerator all rows are multiplied: to know how many differ, the CPU would wait for it at each step.
    """
    if keys is None or inputs.device.type != "cpu" or inputs.numel() <= LARGEST:
        return product(inputs, base)
    first, place = different_rows(keys)
    if 4 * len(first) > 3 * len(keys):
        return product(inputs, base)
    spread = product(inputs.index_select(0, first), None).index_select(0, place)
    return spread if base is None else spread.add_(base)
