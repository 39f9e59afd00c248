"""The Transformer (Vaswani et al. 2017): encoder, and decoder with a cache of keys and values.

Both combine with recurrent partners: the memory has a state per layer for bridges, and the decoder reads any memory.
One step and all steps at once are the same lines of code: all steps are many positions on an empty cache.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq_lab.batch import mask_from_lengths, pick
from seq2seq_lab.model.checks import check_positive, refuse_empty_rows
from seq2seq_lab.model.embedding import TokenEmbedding
from seq2seq_lab.model.kernel.deferred import deferred
from seq2seq_lab.model.kernel.packed_decoder import PackedDecoder
from seq2seq_lab.model.norm import Norm
from seq2seq_lab.model.output import CopyOutput, GenerateOutput, Mixture
from seq2seq_lab.model.position import Position
from seq2seq_lab.model.state import Memory, TransformerSource, TransformerState, masked_mean
from seq2seq_lab.model.transformer_layer import (
    DecoderLayer,
    EncoderLayer,
    InputEmbedding,
    attention_weights,
    linear,
)


class TransformerEncoder(nn.Module):
    """Layers of self-attention over the source.

    The memory's `hidden` is the mean over the real tokens of each layer's output (the top one after the last norm), so
    that every bridge has an input; `cell_state` has width 0.
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        position: Callable[..., Position],
        norm: Callable[..., Norm],
        dim: int,
        num_layers: int = 2,
        num_heads: int = 4,
        feedforward_dim: int = 256,
        dropout: float = 0.0,
    ):
        super().__init__()
        check_positive(dim=dim, num_layers=num_layers, feedforward_dim=feedforward_dim)
        self.dim, self.num_layers = dim, num_layers
        self.embedding = embedding
        positions = position(dim, num_heads)
        layers = [
            EncoderLayer(dim, num_heads, feedforward_dim, norm, dropout, positions)
            for _ in range(num_layers)
        ]
        self.input_embedding = InputEmbedding(embedding.dim, dim, positions, dropout)
        self.layers, self.last_norm = nn.ModuleList(layers), layers[-1].feedforward_norm.last()

    def forward(
        self, source: Int[Tensor, "batch source"], lengths: Int[Tensor, " batch"]
    ) -> Memory:
        """Encode the padded ids; `lengths` count the real tokens of each row. Refuses a row without any."""
        if bool((lengths < 1).any()):
            raise ValueError(f"lengths={lengths.tolist()}: a source row without any real token")
        on_device = lengths.to(source.device, non_blocking=True)
        mask = mask_from_lengths(on_device, source.shape[1])
        states, outputs = self.input_embedding(self.embedding(source), 0), []
        for layer in self.layers:
            states = layer(states, mask, self.input_embedding.position)
            outputs.append(states)
        outputs[-1] = states = self.last_norm(states).masked_fill(~mask.unsqueeze(-1), 0.0)
        hidden = torch.stack([masked_mean(output, mask) for output in outputs], dim=1)
        return Memory(states, mask, hidden, cell_state=hidden[..., :0], tokens=source)


class TransformerDecoder(nn.Module):
    """Layers of self-attention over the target and cross-attention over a memory of any width.

    `state.attention` is the mean over the heads of the top layer's cross-attention weights; a `mixture` that
    copies does so by it.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding: TokenEmbedding,
        position: Callable[..., Position],
        norm: Callable[..., Norm],
        memory_dim: int,
        dim: int,
        num_layers: int = 2,
        num_heads: int = 4,
        feedforward_dim: int = 256,
        dropout: float = 0.0,
        mixture: Callable[[int], Mixture] = GenerateOutput,
    ):
        super().__init__()
        check_positive(vocab_size=vocab_size, memory_dim=memory_dim)
        check_positive(dim=dim, num_layers=num_layers, feedforward_dim=feedforward_dim)
        self.dim, self.num_layers = dim, num_layers
        self.embedding = embedding
        positions = position(dim, num_heads)
        layers = [
            DecoderLayer(dim, memory_dim, num_heads, feedforward_dim, norm, dropout, positions)
            for _ in range(num_layers)
        ]
        self.input_embedding = InputEmbedding(embedding.dim, dim, positions, dropout)
        self.layers: Any = nn.ModuleList(layers)
        self.last_norm = layers[-1].feedforward_norm.last()
        self.output = linear(dim, vocab_size)
        self.mixture = mixture(dim)

    def initial_state(self, memory: Memory) -> TransformerState:
        """Return the state before the first step, with the cross-attention keys and values of each sentence."""
        refuse_empty_rows(memory.mask)
        states = memory.states.masked_fill(~memory.mask.unsqueeze(-1), 0.0)
        source = TransformerSource(
            mask=memory.mask,
            keys=tuple(layer.source.keys(states) for layer in self.layers),
            values=tuple(layer.source.values(states) for layer in self.layers),
            tokens=self.mixture.tokens(memory),
        )
        nothing = tuple(keys[:, :, :0] for keys in source.keys)
        return TransformerState(states.new_zeros(len(states), 0), nothing, nothing, source)

    def embed(self, tokens: Int[Tensor, "batch target"]) -> Float[Tensor, "batch target embedding"]:
        """Return the embeddings of these tokens, without positions."""
        return self.embedding(tokens)

    def mix(self, weights: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows embedding"]:
        """Return the mean embedding under a distribution over tokens."""
        return self.embedding.mix(weights)

    def step(
        self, token: Int[Tensor, " rows"], state: TransformerState
    ) -> tuple[Float[Tensor, "rows vocab"], TransformerState]:
        """Read one token per hypothesis; return the logits of the next one and the new state."""
        return self.step_embedded(self.embed(token.unsqueeze(1))[:, 0], state)

    def step_embedded(
        self, embedded: Float[Tensor, "rows embedding"], state: TransformerState
    ) -> tuple[Float[Tensor, "rows vocab"], TransformerState]:
        """Do `step` from embeddings, which may be mixtures."""
        return self._step(self.output, embedded, state)

    def packed(self) -> PackedDecoder:
        """Return `step` and `step_embedded` for a loop or a search, the output layer packed."""
        output = deferred(self.output.weight, self.output.bias)
        return PackedDecoder(self.embed, partial(self._step, output))

    def _step(
        self,
        output: Callable[[Tensor], Tensor],
        embedded: Tensor,
        state: TransformerState,
        token: Tensor | None = None,  # noqa: ARG002
    ) -> tuple[Tensor, TransformerState]:
        vectors, state, queries = self._layers(embedded.unsqueeze(1), state)
        state = replace(state, attention=self._mean_weights(queries, state).flatten(0, 1))
        readout = vectors[:, 0]
        return self.mixture.step(output(readout), readout, state), state

    def _mean_weights(self, queries: Tensor, state: TransformerState) -> Tensor:
        """Return the mean over the heads of the top layer's cross-attention weights."""
        read = self.layers[-1].read_source
        return read.weights(queries, state.source.keys[-1], state.source.mask).mean(dim=1)

    def forward(
        self,
        embedded: Float[Tensor, "batch target embedding"],
        memory: Memory,
        places: Bool[Tensor, "batch target"] | Int[Tensor, " places"] | None = None,
    ) -> Float[Tensor, "*positions vocab"]:
        """Return the logits of all steps, or row by row those at `places`; equal to repeated `step_embedded`."""
        if not isinstance(self.mixture, CopyOutput):
            readouts = self.readouts(embedded, memory)
            return self.output(readouts if places is None else pick(readouts, places))
        readouts, state, queries = self._layers(embedded, self.initial_state(memory))
        weights = self._mean_weights(queries, state)
        return self.mixture.over_steps(self.output, readouts, weights, memory, places)

    def readouts(
        self, embedded: Float[Tensor, "batch target embedding"], memory: Memory
    ) -> Float[Tensor, "batch target readout"]:
        """Return the vectors in front of the output layer for all steps, the inputs being given."""
        return self._layers(embedded, self.initial_state(memory))[0]

    def attention_weights(
        self, embedded: Float[Tensor, "batch target embedding"], memory: Memory
    ) -> Float[Tensor, "batch heads target source"]:
        """Return the top layer's cross-attention weights of every head at all steps, the inputs being given."""
        _, state, queries = self._layers(embedded, self.initial_state(memory))
        return attention_weights(queries, state.source.keys[-1], state.source.mask)

    def _layers(
        self, embedded: Tensor, state: TransformerState
    ) -> tuple[Tensor, TransformerState, Tensor]:
        """Run all layers on some steps: (readouts, state after them, cross-attention queries of the top layer)."""
        source, keys, values = state.source, [], []
        vectors = self.input_embedding(embedded, state.num_steps)
        for i, layer in enumerate(self.layers):
            past = state.keys[i], state.values[i]
            vectors, new_keys, new_values = layer.self_attention(
                vectors, past, self.input_embedding.position
            )
            keys.append(new_keys)
            values.append(new_values)
            vectors, queries = layer.cross_attention(
                vectors, source.keys[i], source.values[i], source.mask
            )
            vectors = layer.feed_forward(vectors)
        state = replace(state, keys=tuple(keys), values=tuple(values))
        return self.last_norm(vectors), state, queries
