"""What travels between encoder, attention and decoder: frozen dataclasses, every tensor batch-first."""

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Self

from jaxtyping import Bool, Float, Int
from torch import Tensor


def select_rows(value: Any, rows: Int[Tensor, " rows"]) -> Any:
    """Return the tensor, or a copy of the dataclass of tensors, with only the given rows in that order."""
    if is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: select_rows(getattr(value, f.name), rows) for f in fields(value)}
        return replace(value, **parts)
    return value.index_select(0, rows)


class _Rows:
    """Gives a dataclass of batch-first tensors the one operation that decoding needs."""

    def select(self, rows: Int[Tensor, " rows"]) -> Self:
        """Return the state of these rows: to reorder beams or to drop finished sentences."""
        return select_rows(self, rows)


@dataclass(frozen=True)
class Memory(_Rows):
    """What the encoder hands over.

    `states` is the top layer's output at every source position. `hidden` and `cell` are the final states of each
    layer (forward and backward halves side by side); `cell` has width 0 for cells without one.
    """

    states: Float[Tensor, "batch source dim"]
    mask: Bool[Tensor, "batch source"]
    hidden: Float[Tensor, "batch layers dim"]
    cell: Float[Tensor, "batch layers cell"]


@dataclass(frozen=True)
class AttentionKeys(_Rows):
    """The memory prepared once per sentence: keys to compare with, values to average, True = real token."""

    keys: Float[Tensor, "batch source key"]
    values: Float[Tensor, "batch source value"]
    mask: Bool[Tensor, "batch source"]


@dataclass(frozen=True)
class RecurrentState(_Rows):
    """All that a recurrent decoder carries from one step to the next.

    `feed` is the previous readout (width 0 without input feeding), `summary` the fixed source vector (width 0
    unless the context is given at every step), `attention` the weights of the latest step (width 0 without).
    """

    hidden: Float[Tensor, "batch layers dim"]
    cell: Float[Tensor, "batch layers cell"]
    feed: Float[Tensor, "batch feed"]
    summary: Float[Tensor, "batch summary"]
    attention: Float[Tensor, "batch weights"]
    keys: AttentionKeys
