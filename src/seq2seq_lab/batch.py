"""A padded batch of sentence pairs, as it travels from the collate function to the loss."""

from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def mask_from_lengths(lengths: Int[Tensor, " batch"], width: int) -> Bool[Tensor, "batch width"]:
    """Return the boolean mask that is True on the first `lengths[i]` positions of row i."""
    return torch.arange(width, device=lengths.device).unsqueeze(0) < lengths.unsqueeze(1)


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

    def to(self, device: torch.device) -> Self:
        """Return the batch on another device; lengths stay on the CPU, where packing needs them."""
        moved = {f.name: getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)}
        return replace(self, **{**moved, "source_lengths": self.source_lengths})

    def __len__(self) -> int:
        return self.source.shape[0]

    @property
    def num_target_tokens(self) -> int:
        """Real target tokens, the end token included."""
        return int(self.target_mask.sum())
