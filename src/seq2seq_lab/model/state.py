"""What travels between encoder, attention and decoder: frozen dataclasses, every tensor batch-first.

A decoder state has two parts: rows of hypotheses, and in `source` what all hypotheses of one sentence share, one row
per sentence. There are `width` hypotheses of each sentence, side by side; training and greedy search have one.
"""

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def select_rows(value: Any, rows: Int[Tensor, " rows"]) -> Any:
    """Return the tensor, or a copy of the dataclass or tuple of tensors, with only these rows in that order."""
    if isinstance(value, tuple):
        return tuple(select_rows(part, rows) for part in value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: select_rows(getattr(value, f.name), rows) for f in fields(value)}
        return replace(value, **parts)
    return value.index_select(0, rows)


def count_rows(value: Any) -> int:
    """Return the number of rows of a tensor or of the first tensor in a dataclass."""
    while is_dataclass(value):
        value = getattr(value, fields(value)[0].name)
    return value.shape[0]


def side_by_side(
    layers: list[Float[Tensor, "rows dim"]],
) -> Float[Tensor, "rows layers dim"]:
    """Put the layers' states into one tensor; a single layer's is not copied."""
    return layers[0].unsqueeze(1) if len(layers) == 1 else torch.stack(layers, dim=1)


@dataclass(frozen=True)
class Memory:
    """What the encoder hands over.

    `states` is the top layer's output at every source position. `hidden` and `cell` are the final states of each
    layer, forward and backward halves side by side, `hidden` as the layer above reads it; `cell` has width 0 for
    cells without one.
    """

    states: Float[Tensor, "batch source dim"]
    mask: Bool[Tensor, "batch source"]
    hidden: Float[Tensor, "batch layers dim"]
    cell: Float[Tensor, "batch layers cell"]


@dataclass(frozen=True)
class AttentionKeys:
    """The memory prepared once per sentence: keys to compare with, values to average, True = real token."""

    keys: Float[Tensor, "batch source key"]
    values: Float[Tensor, "batch source value"]
    mask: Bool[Tensor, "batch source"]


class DecoderState:
    """What decoding does with any state; a subclass is a frozen dataclass with `attention` and `source`."""

    attention: Any
    source: Any

    @property
    def width(self) -> int:
        """The number of hypotheses per sentence."""
        return self.attention.shape[0] // count_rows(self.source)

    def reorder(self, rows: Int[Tensor, " rows"]) -> Self:
        """Return the state of these hypotheses; the sentences stay, each with equally many rows side by side."""
        shared: Any = self
        parts = {f.name: getattr(self, f.name) for f in fields(shared) if f.name != "source"}
        return replace(shared, **{name: select_rows(part, rows) for name, part in parts.items()})

    def select(self, sentences: Int[Tensor, " sentences"]) -> Self:
        """Return the state of these sentences with all their hypotheses: how finished ones leave."""
        within = torch.arange(self.width, device=sentences.device)
        kept: Any = self.reorder((sentences.unsqueeze(1) * self.width + within).flatten())
        return replace(kept, source=select_rows(self.source, sentences))


@dataclass(frozen=True)
class RecurrentSource:
    """The sentence's share of a recurrent state: keys, and the fixed source vector (width 0 where none enters)."""

    keys: AttentionKeys
    summary: Float[Tensor, "batch summary"]


@dataclass(frozen=True)
class RecurrentState(DecoderState):
    """All that a recurrent decoder carries from one step to the next.

    `feed` is the previous readout (width 0 without input feeding), `attention` the weights of the latest step (width
    0 without attention), `past` what the attention remembers of earlier steps (width 0 for most), `kept` the factor
    of each layer's units under locked dropout, drawn once per sentence (width 0 where nothing drops).
    """

    hidden: Float[Tensor, "rows layers dim"]
    cell: Float[Tensor, "rows layers cell"]
    feed: Float[Tensor, "rows feed"]
    attention: Float[Tensor, "rows weights"]
    past: Float[Tensor, "rows past"]
    kept: Float[Tensor, "rows layers kept"]
    source: RecurrentSource


@dataclass(frozen=True)
class TransformerSource:
    """The sentence's share of a Transformer's state: keys and values of each layer's attention over the source."""

    mask: Bool[Tensor, "batch source"]
    keys: tuple[Float[Tensor, "batch heads source width"], ...]
    values: tuple[Float[Tensor, "batch heads source width"], ...]


@dataclass(frozen=True)
class TransformerState(DecoderState):
    """All that a Transformer decoder carries: each layer's self-attention keys and values of the steps so far.

    `attention` holds the weights of the latest step over the source, width 0 before the first.
    """

    attention: Float[Tensor, "rows weights"]
    keys: tuple[Float[Tensor, "rows heads past width"], ...]
    values: tuple[Float[Tensor, "rows heads past width"], ...]
    source: TransformerSource

    @property
    def num_steps(self) -> int:
        """The number of steps so far, which is the position of the next one."""
        return self.keys[0].shape[2]
