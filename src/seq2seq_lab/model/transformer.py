"""The Transformer (Vaswani et al. 2017): an encoder that fills a `Memory`, and a decoder that keeps what it wrote.

Both fit recurrent partners: the memory has a state per layer for bridges, and the decoder reads any memory. A step
and all steps at once are the same few lines, on an empty cache or on one that grows.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq_lab.batch import mask_from_lengths
from seq2seq_lab.model.checks import check_positive
from seq2seq_lab.model.embedding import TokenEmbedding
from seq2seq_lab.model.kernel.loop_products import Product, plain, put_off
from seq2seq_lab.model.norm import Norm
from seq2seq_lab.model.position import Position
from seq2seq_lab.model.state import Memory, TransformerSource, TransformerState
from seq2seq_lab.model.transformer_layer import (
    DecoderLayer,
    EncoderLayer,
    Entrance,
    attention_weights,
    head_weights,
    linear,
)


def masked_mean(
    states: Float[Tensor, "batch source dim"], mask: Bool[Tensor, "batch source"]
) -> Float[Tensor, "batch dim"]:
    """Return the mean over the real positions."""
    real = mask.unsqueeze(-1)
    return states.masked_fill(~real, 0.0).sum(dim=1) / real.sum(dim=1)


class TransformerEncoder(nn.Module):
    """Layers of self-attention over the source.

    The memory's `hidden` is the mean over the real tokens of each layer's output, the top one as the decoder reads
    it, so that every bridge has something to start from; `cell` has width 0.
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
        layers = [
            EncoderLayer(dim, num_heads, feedforward_dim, norm, dropout) for _ in range(num_layers)
        ]
        self.entrance = Entrance(embedding.dim, dim, position(dim, num_heads), dropout)
        self.layers, self.last_norm = nn.ModuleList(layers), layers[-1].feedforward_norm.last()

    def forward(
        self, source: Int[Tensor, "batch source"], lengths: Int[Tensor, " batch"]
    ) -> Memory:
        """Encode the padded ids; `lengths` count the real tokens of each row. Refuses a row without any."""
        if bool((lengths < 1).any()):
            raise ValueError(f"lengths={lengths.tolist()}: a source row without any real token")
        mask = mask_from_lengths(lengths.to(source.device), source.shape[1])
        states, outputs = self.entrance(self.embedding(source), 0), []
        for layer in self.layers:
            states = layer(states, mask, self.entrance.position)
            outputs.append(states)
        outputs[-1] = states = self.last_norm(states).masked_fill(~mask.unsqueeze(-1), 0.0)
        hidden = torch.stack([masked_mean(output, mask) for output in outputs], dim=1)
        return Memory(states, mask, hidden, hidden[..., :0])


class TransformerDecoder(nn.Module):
    """Layers of self-attention over the target and of attention over a memory of any width.

    `state.attention` is the mean over the heads of the top layer's attention over the source.
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
    ):
        super().__init__()
        check_positive(vocab_size=vocab_size, memory_dim=memory_dim)
        check_positive(dim=dim, num_layers=num_layers, feedforward_dim=feedforward_dim)
        self.dim, self.num_layers = dim, num_layers
        self.embedding = embedding
        layers = [
            DecoderLayer(dim, memory_dim, num_heads, feedforward_dim, norm, dropout)
            for _ in range(num_layers)
        ]
        self.entrance = Entrance(embedding.dim, dim, position(dim, num_heads), dropout)
        self.layers: Any = nn.ModuleList(layers)
        self.last_norm = layers[-1].feedforward_norm.last()
        self.output = linear(dim, vocab_size)

    def initial_state(self, memory: Memory) -> TransformerState:
        """Return the state before the first step; the source is projected here, once per sentence."""
        if not bool(memory.mask.any(dim=1).all()):
            raise ValueError("attention over a source row without any real token")
        states = memory.states.masked_fill(~memory.mask.unsqueeze(-1), 0.0)
        source = TransformerSource(
            mask=memory.mask,
            keys=tuple(layer.source.keys(states) for layer in self.layers),
            values=tuple(layer.source.values(states) for layer in self.layers),
        )
        nothing = tuple(keys[:, :, :0] for keys in source.keys)
        return TransformerState(states.new_zeros(len(states), 0), nothing, nothing, source)

    def embed(self, tokens: Int[Tensor, "batch target"]) -> Float[Tensor, "batch target embedding"]:
        """Return what the decoder reads for these tokens, positions not yet added."""
        return self.embedding(tokens)

    def mix(self, weights: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows embedding"]:
        """Return what the decoder reads for a distribution over tokens: the mean of their embeddings."""
        return self.embedding.mix(weights)

    def step(
        self, token: Int[Tensor, " rows"], state: TransformerState, output: Product | None = None
    ) -> tuple[Float[Tensor, "rows vocab"], TransformerState]:
        """Read one token per hypothesis; return the logits of the next one and the new state."""
        return self.step_embedded(self.embed(token.unsqueeze(1))[:, 0], state, output)

    def step_embedded(
        self,
        embedded: Float[Tensor, "rows embedding"],
        state: TransformerState,
        output: Product | None = None,
    ) -> tuple[Float[Tensor, "rows vocab"], TransformerState]:
        """Do `step` from what `embed` gave, or from any mixture of embeddings; a loop gives its product."""
        output = output or plain(self.output.weight, self.output.bias)
        vectors, state, queries = self._read(embedded.unsqueeze(1), state)
        weights = attention_weights(queries, state.source.keys[-1], state.source.mask)
        logits = output(vectors[:, 0], None)
        return logits, replace(state, attention=weights.flatten(0, 1))

    def loop_products(self) -> Product:
        """Return the output layer for a loop of steps: laid out once, its gradient made after the loop."""
        return put_off(self.output.weight, self.output.bias)

    def readouts(
        self, embedded: Float[Tensor, "batch target embedding"], memory: Memory
    ) -> Float[Tensor, "batch target readout"]:
        """Return the vectors in front of the output layer for all steps, the inputs being given."""
        return self._read(embedded, self.initial_state(memory))[0]

    def looks(
        self, embedded: Float[Tensor, "batch target embedding"], memory: Memory
    ) -> Float[Tensor, "batch heads target source"]:
        """Return the top layer's attention weights of every head at all steps, the inputs being given."""
        _, state, queries = self._read(embedded, self.initial_state(memory))
        return head_weights(queries, state.source.keys[-1], state.source.mask)

    def forward(
        self, target_input: Int[Tensor, "batch target"], memory: Memory
    ) -> Float[Tensor, "batch target vocab"]:
        """Return the logits of all steps; equal to repeated `step`."""
        return self.output(self.readouts(self.embed(target_input), memory))

    def _read(
        self, embedded: Tensor, state: TransformerState
    ) -> tuple[Tensor, TransformerState, Tensor]:
        """Read some steps: (readouts, state with their keys and values, queries of the top layer to the source)."""
        source, keys, values = state.source, [], []
        vectors = self.entrance(embedded, state.num_steps)
        for i, layer in enumerate(self.layers):
            past = state.keys[i], state.values[i]
            vectors, new_keys, new_values = layer.look_back(vectors, past, self.entrance.position)
            keys.append(new_keys)
            values.append(new_values)
            vectors, queries = layer.look_at_source(
                vectors, source.keys[i], source.values[i], source.mask
            )
            vectors = layer.transformed(vectors)
        state = replace(state, keys=tuple(keys), values=tuple(values))
        return self.last_norm(vectors), state, queries
