"""Encoder memory, attention keys and decoder states: frozen dataclasses, every tensor batch-first.

A decoder state has two parts: one row per hypothesis, and in `source` one row per sentence, which all hypotheses of
the sentence share. A sentence has `width` hypotheses side by side; training and greedy search have one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def select_rows(value: Any, rows: Int[Tensor, " rows"]) -> Any:
    """Return the tensor, or a copy of the dataclass or tuple of tensors, with only these rows in that order.

    A part that is None stays None.
    """
    if value is None:
        return None
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


def masked_mean(
    states: Float[Tensor, "batch source dim"], mask: Bool[Tensor, "batch source"]
) -> Float[Tensor, "batch dim"]:
    """Return the mean over the real positions."""
    real = mask.unsqueeze(-1)
    return states.masked_fill(~real, 0.0).sum(dim=1) / real.sum(dim=1)


def side_by_side(
    layers: Sequence[Float[Tensor, "rows dim"]],
) -> Float[Tensor, "rows layers dim"]:
    """Put the layers' states into one tensor; a single layer's is not copied."""
    return layers[0].unsqueeze(1) if len(layers) == 1 else torch.stack(list(layers), dim=1)


@dataclass(frozen=True)
class Memory:
    """The output of an encoder.

    `states` is the top layer's output at every source position. `hidden` and `cell_state` are the final states h and c
    of each layer, forward and backward halves side by side, `hidden` as the layer above reads it; `cell_state` has
    width 0 for all cells but the LSTM. `tokens` are the source ids, for a decoder that copies them.
    """

    states: Float[Tensor, "batch source dim"]
    mask: Bool[Tensor, "batch source"]
    hidden: Float[Tensor, "batch layers dim"]
    cell_state: Float[Tensor, "batch layers cell"]
    tokens: Int[Tensor, "batch source"] | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class AttentionKeys:
    """Keys, values and mask (True = real token) of an attention, computed once per sentence."""

    keys: Float[Tensor, "batch source key"]
    values: Float[Tensor, "batch source value"]
    mask: Bool[Tensor, "batch source"]


class DecoderState:
    """Base class of decoder states; a subclass is a frozen dataclass with `attention` and `source`."""

    attention: Any
    source: Any

    @property
    def width(self) -> int:
        """The number of hypotheses per sentence."""
        return self.attention.shape[0] // count_rows(self.source)

    @property
    def source_tokens(self) -> Int[Tensor, "rows source"]:
        """The source ids of each hypothesis, where the decoder copies."""
        tokens: Tensor = self.source.tokens
        return tokens if self.width == 1 else tokens.repeat_interleave(self.width, dim=0)

    def reorder(self, rows: Int[Tensor, " rows"]) -> Self:
        """Return the state of these hypotheses; the sentences stay, each with equally many rows side by side."""
        shared: Any = self
        parts = {f.name: getattr(self, f.name) for f in fields(shared) if f.name != "source"}
        return replace(shared, **{name: select_rows(part, rows) for name, part in parts.items()})

    def select(self, sentences: Int[Tensor, " sentences"]) -> Self:
        """Return the state of these sentences with all their hypotheses; finished sentences leave the batch so."""
        within = torch.arange(self.width, device=sentences.device)
        selected: Any = self.reorder((sentences.unsqueeze(1) * self.width + within).flatten())
        return replace(selected, source=select_rows(self.source, sentences))


@dataclass(frozen=True)
class RecurrentSource:
    """The part of a recurrent state with one row per sentence: keys, and the fixed source vector (width 0 without).

    `tokens` are the source ids of a decoder that copies.
    """

    keys: AttentionKeys
    summary: Float[Tensor, "batch summary"]
    tokens: Int[Tensor, "batch source"] | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class RecurrentState(DecoderState):
    """The state of a recurrent decoder between two steps.

    `feed` is the previous readout (width 0 without input feeding), `attention` the weights of the latest step (width 0
    without attention), `past` the attention's own state (width 0 for most), `dropout_mask` the factor of each layer's
    units under locked dropout, drawn once per sentence (width 0 without). Rows of equal `origin` are copies of one
    hypothesis, which a search made by `reorder`; a step makes them differ and forgets it (None: no copies are known).
    """

    hidden: Float[Tensor, "rows layers dim"]
    cell_state: Float[Tensor, "rows layers cell"]
    feed: Float[Tensor, "rows feed"]
    attention: Float[Tensor, "rows weights"]
    past: Float[Tensor, "rows past"]
    dropout_mask: Float[Tensor, "rows layers units"]
    source: RecurrentSource
    origin: Int[Tensor, " rows"] | None = field(default=None, kw_only=True)

    def reorder(self, rows: Int[Tensor, " rows"]) -> Self:
        """Return the state of these hypotheses; it knows which of its rows are copies of one."""
        origin = rows if self.origin is None else self.origin.index_select(0, rows)
        return replace(super().reorder(rows), origin=origin)


@dataclass(frozen=True)
class TransformerSource:
    """The part of a Transformer's state with one row per sentence: each layer's cross-attention keys and values.

    `tokens` are the source ids of a decoder that copies.
    """

    mask: Bool[Tensor, "batch source"]
    keys: tuple[Float[Tensor, "batch heads source width"], ...]
    values: tuple[Float[Tensor, "batch heads source width"], ...]
    tokens: Int[Tensor, "batch source"] | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class TransformerState(DecoderState):
    """The cache of a Transformer decoder: each layer's self-attention keys and values of the steps so far.

    `attention` holds the cross-attention weights of the latest step, width 0 before the first.
    """

    attention: Float[Tensor, "rows weights"]
    keys: tuple[Float[Tensor, "rows heads past width"], ...]
    values: tuple[Float[Tensor, "rows heads past width"], ...]
    source: TransformerSource

    @property
    def num_steps(self) -> int:
        """The number of steps so far, which is the position of the next one."""
        return self.keys[0].shape[2]
