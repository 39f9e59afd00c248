"""A padded batch of sentence pairs, as it travels from the collate function to the loss."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Self

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor


def mask_from_lengths(lengths: Int[Tensor, " batch"], width: int) -> Bool[Tensor, "batch width"]:
    """Return the boolean mask that is True on the first `lengths[i]` positions of row i."""
    return torch.arange(width, device=lengths.device).unsqueeze(0) < lengths.unsqueeze(1)


def places_of(mask: Bool[Tensor, "batch width"]) -> Int[Tensor, " places"]:
    """Return where the mask is True, row by row: row x width + column."""
    return mask.flatten().nonzero()[:, 0]


def pick(
    values: Shaped[Tensor, "batch width ..."],
    places: Bool[Tensor, "batch width"] | Int[Tensor, " places"],
) -> Shaped[Tensor, "picked ..."]:
    """Return the values at these places, row by row.

    A mask must be counted first, and for that the CPU waits for an accelerator; for places it does not.
    """
    if places.dtype == torch.bool:
        places = places_of(places)
    return values.flatten(0, 1).index_select(0, places)


@dataclass(frozen=True)
class Batch:
    """Token ids with their masks (True = real token).

    `source` ends with EOS. `target_input` starts with BOS, `target_output` is the same text one step on, ending
    with EOS. `ids` are line numbers within the split, counted from 0, in the order of the rows.
    """

    source: Int[Tensor, "batch source"]
    source_lengths: Int[Tensor, " batch"]
    source_mask: Bool[Tensor, "batch source"]
    target_input: Int[Tensor, "batch target"]
    target_output: Int[Tensor, "batch target"]
    target_mask: Bool[Tensor, "batch target"]
    ids: Int[Tensor, " batch"]

    @cached_property
    def is_target(self) -> Bool[Tensor, "batch target"]:
        """`target_mask` on the CPU."""
        return self.target_mask.cpu()

    @cached_property
    def places(self) -> Int[Tensor, " tokens"]:
        """Where the real target tokens are, on the device of the batch: row x width + column."""
        return places_of(self.is_target).to(self.target_mask.device, non_blocking=True)

    def _each(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Return the batch with the function's results in place of the tensors but those for the CPU."""
        names = {f.name for f in fields(self)} - {"source_lengths", "ids"}
        made = replace(self, **{name: function(getattr(self, name)) for name in names})
        # found here: the new batch would have to ask an accelerator
        made.__dict__.update(is_target=self.is_target, places=function(self.places))
        return made

    def to(self, device: torch.device) -> Self:
        """Return the batch on another device; lengths and line numbers stay on the CPU, where they are read."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Self:
        """Return the batch in memory from which a GPU copies by itself; a loader calls this."""
        return self._each(torch.Tensor.pin_memory)

    def __len__(self) -> int:
        return self.source.shape[0]

    @property
    def targets(self) -> Int[Tensor, " tokens"]:
        """The real tokens of `target_output`, row by row."""
        return pick(self.target_output, self.places)

    @property
    def num_target_tokens(self) -> int:
        """Real target tokens, the end token included."""
        return len(self.places)
