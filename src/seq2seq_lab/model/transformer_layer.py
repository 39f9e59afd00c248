"""The layers of a Transformer's encoder and decoder (Vaswani et al. 2017).

Rows are sentences in the encoder and hypotheses in the decoder. Dropout is applied where the paper has it: to the
input of the first layer and to the output of each sub-layer.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from seq2seq_lab.model.checks import check_positive, check_probability
from seq2seq_lab.model.kernel.dropout import Dropout
from seq2seq_lab.model.kernel.half_precision import attend
from seq2seq_lab.model.kernel.linear import Linear
from seq2seq_lab.model.norm import Norm
from seq2seq_lab.model.normalizer import WeightsChange
from seq2seq_lab.model.position import Position


def linear(inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
    """Return a linear layer with Glorot's uniform weights and zero bias."""
    made = Linear(inputs, outputs, bias=bias)
    nn.init.xavier_uniform_(made.weight)
    if bias:
        nn.init.zeros_(made.bias)
    return made


def feedforward(dim: int, inner_dim: int) -> nn.Sequential:
    """Return the position-wise feed-forward layers with relu between them."""
    return nn.Sequential(linear(dim, inner_dim), nn.ReLU(), linear(inner_dim, dim))


class InputEmbedding(nn.Module):
    """The input of the first layer: token embeddings times sqrt(width), projected to `dim`, plus positions, dropout."""

    def __init__(self, embedding_dim: int, dim: int, position: Position, dropout: float):
        super().__init__()
        self.scale = math.sqrt(embedding_dim)
        # a factorised embedding (Lan et al. 2020) where the widths differ
        self.widen = (
            nn.Identity() if embedding_dim == dim else linear(embedding_dim, dim, bias=False)
        )
        self.position = position
        self.dropout = Dropout(check_probability("dropout", dropout))

    def forward(
        self, embedded: Float[Tensor, "rows steps embedding"], start: int
    ) -> Float[Tensor, "rows steps dim"]:
        """Return the input vectors of the steps from `start` on."""
        return self.dropout(self.position.embed(self.widen(self.scale * embedded), start))


class AttentionHeads(nn.Module):
    """The projections of multi-head attention: `dim` is shared equally by the heads.

    Keys have no bias: it would add the same to all scores of a query, and softmax takes that away again.
    """

    def __init__(self, dim: int, memory_dim: int, num_heads: int):
        super().__init__()
        check_positive(dim=dim, memory_dim=memory_dim, num_heads=num_heads)
        if dim % num_heads:
            raise ValueError(
                f"dim={dim}, num_heads={num_heads}: the heads share dim equally; choose a num_heads that divides it"
            )
        self.num_heads = num_heads
        self.query, self.output = linear(dim, dim), linear(dim, dim)
        self.key, self.value = linear(memory_dim, dim, bias=False), linear(memory_dim, dim)

    def queries(
        self, vectors: Float[Tensor, "rows steps dim"]
    ) -> Float[Tensor, "rows heads steps width"]:
        """Return the queries of each head."""
        return self._split(self.query(vectors))

    def keys(
        self, vectors: Float[Tensor, "rows source memory"]
    ) -> Float[Tensor, "rows heads source width"]:
        """Return the keys of each head."""
        return self._split(self.key(vectors))

    def values(
        self, vectors: Float[Tensor, "rows source memory"]
    ) -> Float[Tensor, "rows heads source width"]:
        """Return the values of each head."""
        return self._split(self.value(vectors))

    def merge(
        self, read: Float[Tensor, "rows heads steps width"]
    ) -> Float[Tensor, "rows steps dim"]:
        """Return the output projection of the contexts of all heads."""
        return self.output(read.transpose(1, 2).flatten(2))

    def _split(self, vectors: Tensor) -> Tensor:
        return vectors.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


def attention_weights(
    queries: Float[Tensor, "rows heads steps width"],
    keys: Float[Tensor, "rows heads source width"],
    mask: Bool[Tensor, "rows source"],
) -> Float[Tensor, "rows heads steps source"]:
    """Return softmax(q . k / sqrt(width)) of each head; padding gets exactly 0."""
    scores = queries @ keys.transpose(2, 3) / math.sqrt(queries.shape[-1])
    return scores.masked_fill(~mask[:, None, None], -torch.inf).softmax(dim=-1)


class SourceReading:
    """How a decoder layer reads the source: the fused call, which keeps no weights."""

    def __call__(
        self,
        queries: Float[Tensor, "rows heads steps width"],
        keys: Float[Tensor, "rows heads source width"],
        values: Float[Tensor, "rows heads source width"],
        mask: Bool[Tensor, "rows source"],
    ) -> Float[Tensor, "rows heads steps width"]:
        """Return the contexts of each head."""
        return attend(queries, keys, values, attn_mask=mask[:, None, None])

    def weights(
        self,
        queries: Float[Tensor, "rows heads steps width"],
        keys: Float[Tensor, "rows heads source width"],
        mask: Bool[Tensor, "rows source"],
    ) -> Float[Tensor, "rows heads steps source"]:
        """Return the weights of each head."""
        return attention_weights(queries, keys, mask)


class ChangedReading(SourceReading):
    """The source read with changed weights (`model/intervened.py`)."""

    def __init__(self, change: WeightsChange):
        self.change = change

    def __call__(
        self,
        queries: Float[Tensor, "rows heads steps width"],
        keys: Float[Tensor, "rows heads source width"],
        values: Float[Tensor, "rows heads source width"],
        mask: Bool[Tensor, "rows source"],
    ) -> Float[Tensor, "rows heads steps width"]:
        """Return the contexts of each head under the changed weights."""
        return self.weights(queries, keys, mask) @ values

    def weights(
        self,
        queries: Float[Tensor, "rows heads steps width"],
        keys: Float[Tensor, "rows heads source width"],
        mask: Bool[Tensor, "rows source"],
    ) -> Float[Tensor, "rows heads steps source"]:
        """Return the changed weights of each head."""
        learned = attention_weights(queries, keys, mask)
        return self.change(learned.flatten(1, 2), mask).unflatten(1, learned.shape[1:3])


class EncoderLayer(nn.Module):
    """Self-attention over the real tokens, then the feed-forward layers."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        feedforward_dim: int,
        norm: Callable[..., Norm],
        dropout: float,
        position: Position,
    ):
        super().__init__()
        self.attention, self.attention_norm = (
            AttentionHeads(dim, dim, num_heads),
            norm(dim, dropout),
        )
        self.feedforward, self.feedforward_norm = (
            feedforward(dim, feedforward_dim),
            norm(dim, dropout),
        )
        self.read = position.self_attention()

    def forward(
        self,
        vectors: Float[Tensor, "rows source dim"],
        mask: Bool[Tensor, "rows source"],
        position: Position,
    ) -> Float[Tensor, "rows source dim"]:
        """Return the layer's output at every source position."""
        seen = self.attention_norm.before(vectors)
        query = position.rotate(self.attention.queries(seen), 0)
        key = position.rotate(self.attention.keys(seen), 0)
        read = self.read(query, key, self.attention.values(seen), mask)
        vectors = self.attention_norm.after(vectors, self.attention.merge(read))
        made = self.feedforward(self.feedforward_norm.before(vectors))
        return self.feedforward_norm.after(vectors, made)


class DecoderLayer(nn.Module):
    """Causal self-attention over the target, cross-attention over the source, then the feed-forward layers."""

    def __init__(
        self,
        dim: int,
        memory_dim: int,
        num_heads: int,
        feedforward_dim: int,
        norm: Callable[..., Norm],
        dropout: float,
        position: Position,
    ):
        super().__init__()
        self.attention, self.attention_norm = (
            AttentionHeads(dim, dim, num_heads),
            norm(dim, dropout),
        )
        self.source = AttentionHeads(dim, memory_dim, num_heads)
        self.source_norm = norm(dim, dropout)
        self.feedforward, self.feedforward_norm = (
            feedforward(dim, feedforward_dim),
            norm(dim, dropout),
        )
        self.read = position.self_attention()
        self.read_source = SourceReading()

    def change_weights(self, change: WeightsChange) -> None:
        """Pass the cross-attention weights of every head through this change from now on."""
        self.read_source = ChangedReading(change)

    def self_attention(
        self,
        vectors: Float[Tensor, "rows steps dim"],
        past: tuple[Float[Tensor, "rows heads past width"], Float[Tensor, "rows heads past width"]],
        position: Position,
    ) -> tuple[
        Float[Tensor, "rows steps dim"],
        Float[Tensor, "rows heads now width"],
        Float[Tensor, "rows heads now width"],
    ]:
        """Return the vectors after the sub-layer, and the keys and values of past and new steps.

        The input is all steps with an empty past, or one step with its past.
        """
        seen, start = self.attention_norm.before(vectors), past[0].shape[2]
        query = position.rotate(self.attention.queries(seen), start)
        new = position.rotate(self.attention.keys(seen), start), self.attention.values(seen)
        keys, values = (torch.cat(pair, dim=2) for pair in zip(past, new, strict=True))
        read = self.read(query, keys, values)
        return self.attention_norm.after(vectors, self.attention.merge(read)), keys, values

    def cross_attention(
        self,
        vectors: Float[Tensor, "rows steps dim"],
        keys: Float[Tensor, "sentences heads source width"],
        values: Float[Tensor, "sentences heads source width"],
        mask: Bool[Tensor, "sentences source"],
    ) -> tuple[Float[Tensor, "rows steps dim"], Float[Tensor, "sentences heads queries width"]]:
        """Return the vectors after the sub-layer, and the queries; the hypotheses of a sentence share its keys."""
        rows, steps = vectors.shape[:2]
        query = self.source.queries(
            self.source_norm.before(vectors).reshape(len(mask), -1, vectors.shape[-1])
        )
        read = self.read_source(query, keys, values, mask)
        made = self.source.merge(read).reshape(rows, steps, -1)
        return self.source_norm.after(vectors, made), query

    def feed_forward(
        self, vectors: Float[Tensor, "rows steps dim"]
    ) -> Float[Tensor, "rows steps dim"]:
        """Return the vectors after the feed-forward sub-layer."""
        made = self.feedforward(self.feedforward_norm.before(vectors))
        return self.feedforward_norm.after(vectors, made)
