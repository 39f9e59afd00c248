"""The recurrent decoder: one step at a time for decoding, all steps at once for training.

`_step` holds the equations of a step; the two subclasses give the order of attention and cell. The cell's input has a
static part (previous token, fixed source vector), projected before the loop, and a dynamic one (context, previous
readout), which the loop computes. Without a dynamic part all steps are one fused call.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq_lab.batch import pick
from seq2seq_lab.model.attention import Attention, calls
from seq2seq_lab.model.bridge import Bridge
from seq2seq_lab.model.cell import Cell, State
from seq2seq_lab.model.checks import check_positive, check_probability, refuse_unused_source
from seq2seq_lab.model.context import Context
from seq2seq_lab.model.embedding import TokenEmbedding
from seq2seq_lab.model.kernel.dropout import dropout
from seq2seq_lab.model.kernel.linear import Linear
from seq2seq_lab.model.kernel.packed_decoder import PackedDecoder
from seq2seq_lab.model.kernel.packed_weights import PackedWeights
from seq2seq_lab.model.output import CopyOutput, GenerateOutput, Mixture
from seq2seq_lab.model.readout import Readout
from seq2seq_lab.model.stack import Stack
from seq2seq_lab.model.state import Memory, RecurrentSource, RecurrentState, side_by_side
from seq2seq_lab.model.step_weights import StepWeights

_Steps = tuple[Tensor, Tensor]  # the readouts and the attention weights of all steps


class RecurrentDecoder(nn.Module):
    """An RNN, GRU or LSTM over the target, with every part exchangeable.

    Attention comes before the cell, with the previous state as query (`BahdanauDecoder`), after it with the new one
    (`LuongDecoder`), or between two cells (`ConditionalDecoder`). `input_feeding`: the cell reads the last readout
    (Luong et al. 2015); `mixture`: see output.py.
    """

    attends_before = False
    context_enters_state = False
    loop_weights: type[StepWeights] = PackedWeights
    drop = staticmethod(dropout)
    _refuse_unused_source = refuse_unused_source

    def __init__(
        self,
        vocab_size: int,
        embedding: TokenEmbedding,
        cell: Callable[..., Cell],
        attention: Attention,
        bridge: Bridge,
        context: Context,
        readout: Readout,
        dim: int,
        num_layers: int = 1,
        dropout: float = 0.0,
        stack: Callable[..., Stack] = Stack,
        mixture: Callable[[int], Mixture] = GenerateOutput,
        *,
        input_feeding: bool = False,
    ):
        super().__init__()
        check_positive(dim=dim, num_layers=num_layers, vocab_size=vocab_size)
        self.dim, self.num_layers = dim, num_layers
        self.dropout = check_probability("dropout", dropout)
        self.attention, self.bridge = attention, bridge
        self.context, self.readout = context, readout
        self.input_feeding, self.mixture = input_feeding, mixture(readout.dim)
        self._refuse_unused_source()
        self.embedding = embedding if context.feeds_output or readout.uses_embedding else None
        self.static_dim = context.dim + (embedding.dim if context.feeds_output else 0)
        self.dynamic_dim = readout.dim if input_feeding else 0
        self.dynamic_dim += attention.context_dim if self.attends_before else 0
        self.feeds_back = input_feeding or (self.context_enters_state and attention.context_dim > 0)
        widths = [self.static_dim + self.dynamic_dim] + [dim] * num_layers
        self.cells: Sequence[Cell] = nn.ModuleList(self._make_cells(cell, widths))  # type: ignore[assignment]
        self.stack = stack(dim, num_layers)
        bridge.connect(has_cell_state=self.cells[0].has_cell_state)
        readout.connect(
            state_dim=dim, context_dim=attention.context_dim, embedding_dim=embedding.dim
        )
        self.output = Linear(readout.dim, vocab_size)

    def _make_cells(self, cell: Callable[..., Cell], widths: list[int]) -> list[Cell]:
        return [cell(a, b) for a, b in pairwise(widths)]

    def initial_state(self, memory: Memory) -> RecurrentState:
        """Return the state before the first step; the keys are computed here, once per sentence."""
        hidden, cell_state = self.bridge(memory)
        keys, summary = self.attention.prepare(memory), self.context.summary(memory)
        return RecurrentState(
            hidden=hidden,
            cell_state=cell_state,
            feed=hidden.new_zeros(hidden.shape[0], self.readout.dim if self.input_feeding else 0),
            attention=hidden.new_zeros(hidden.shape[0], 0),
            past=self.attention.start(keys),
            dropout_mask=self.stack.draw_dropout_mask(hidden),
            source=RecurrentSource(keys, summary, tokens=self.mixture.tokens(memory)),
        )

    def embed(self, tokens: Int[Tensor, "batch target"]) -> Float[Tensor, "batch target embedding"]:
        """Return the embeddings of these tokens; width 0 where the decoder does not read its own output."""
        if self.embedding is None:
            return self.output.weight.new_zeros(*tokens.shape, 0)
        return self.embedding(tokens)

    def mix(self, weights: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows embedding"]:
        """Return the mean embedding under a distribution over tokens."""
        return weights[:, :0] if self.embedding is None else self.embedding.mix(weights)

    def step(
        self, token: Int[Tensor, " rows"], state: RecurrentState
    ) -> tuple[Float[Tensor, "rows vocab"], RecurrentState]:
        """Read one token per hypothesis; return the logits of the next one and the new state."""
        return self.step_embedded(self.embed(token.unsqueeze(1))[:, 0], state)

    def step_embedded(
        self, embedded: Float[Tensor, "rows embedding"], state: RecurrentState
    ) -> tuple[Float[Tensor, "rows vocab"], RecurrentState]:
        """Do `step` from embeddings, which may be mixtures."""
        return self._step(StepWeights(*self._weights), embedded, state)

    def packed(self) -> PackedDecoder:
        """Return `step` and `step_embedded` for a loop or a search."""
        return PackedDecoder(self.embed, partial(self._step, self.loop_weights(*self._weights)))

    @property
    def _weights(self) -> tuple[list[Cell], int, Readout, nn.Linear]:
        return list(self.cells), self.static_dim, self.readout, self.output

    def _step(
        self,
        weights: StepWeights,
        embedded: Tensor,
        state: RecurrentState,
        token: Tensor | None = None,
    ) -> tuple[Tensor, RecurrentState]:
        """Return the logits and the new state: attend, recur, read out, output; `token` is what was embedded."""
        shared = None if state.source.summary.shape[1] else token
        projected = weights.static(self._static(embedded.unsqueeze(1), state)[:, 0], shared)
        top, context, state = self._attend_and_recur(projected, state, weights)
        readout = weights.readout(top, context, embedded)
        if self.input_feeding:
            state = replace(state, feed=readout)
        return self.mixture.step(weights.output(readout), readout, state), state

    def _static(self, embedded: Tensor, state: RecurrentState) -> Tensor:
        """Return the static part of the cell's input: the previous token and the fixed source vector."""
        summary = state.source.summary
        if state.width > 1:
            summary = summary.repeat_interleave(state.width, dim=0)
        summary = summary.unsqueeze(1).expand(-1, embedded.shape[1], -1)
        return torch.cat([embedded, summary], dim=-1) if self.context.feeds_output else summary

    def _attend_and_recur(
        self, projected: Tensor, state: RecurrentState, weights: StepWeights
    ) -> tuple[Tensor, Tensor, RecurrentState]:
        """Return the top layer's output, the context and the new state; `projected` is the static part."""
        raise NotImplementedError

    def _attend(self, query: Tensor, state: RecurrentState) -> tuple[Tensor, Tensor]:
        """Return the contexts and attention weights; the hypotheses of a sentence share its keys."""
        keys = state.source.keys
        sentences = (keys.mask.shape[0], -1)
        context, attention = self.attention(
            query.unflatten(0, sentences), keys, state.past.unflatten(0, sentences)
        )
        return context.flatten(0, 1), attention.flatten(0, 1)

    def _recur(
        self, projected: Tensor, dynamic: list[Tensor], state: RecurrentState, weights: StepWeights
    ) -> tuple[Tensor, list[State]]:
        """Return the top layer's output and the new states of all layers."""
        before = (state.hidden[:, 0], state.cell_state[:, 0])
        parts = [part for part in dynamic if part.shape[1]]
        gates = weights.first_gates(projected, parts, before[0], state.origin)
        return self._recur_above(self.cells[0].update(gates, before), projected, state, weights)

    def _recur_above(
        self, first: State, projected: Tensor, state: RecurrentState, weights: StepWeights
    ) -> tuple[Tensor, list[State]]:
        """Return what `_recur` returns, from the new state of the first layer."""
        layers = [first]
        below = self.stack(0, first[0], projected, state.dropout_mask[:, 0])
        for layer in range(1, self.num_layers):
            before = (state.hidden[:, layer], state.cell_state[:, layer])
            read = self.drop(below.unsqueeze(1), self.dropout, training=self.training)[:, 0]
            gates = weights.upper_gates(layer, read, before[0])
            layers.append(self.cells[layer].update(gates, before))
            below = self.stack(layer, layers[-1][0], below, state.dropout_mask[:, layer])
        return below, layers

    def _renewed(
        self, state: RecurrentState, layers: list[State], attention: Tensor
    ) -> RecurrentState:
        hidden, cell_states = zip(*layers, strict=True)
        return replace(
            state,
            hidden=side_by_side(hidden),
            cell_state=side_by_side(cell_states),
            attention=attention,
            past=self.attention.advance(state.past, attention),
            origin=None,
        )

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
        readouts, weights = self._all_steps(embedded, memory)
        return self.mixture.over_steps(self.output, readouts, weights, memory, places)

    def readouts(
        self, embedded: Float[Tensor, "batch target embedding"], memory: Memory
    ) -> Float[Tensor, "batch target readout"]:
        """Return the vectors in front of the output layer for all steps, the inputs being given."""
        return self._all_steps(embedded, memory)[0]

    def _all_steps(self, embedded: Tensor, memory: Memory) -> _Steps:
        state = self.initial_state(memory)
        static = self._static(embedded, state)
        return (self._loop if self.feeds_back else self._fused)(static, embedded, state)

    def _fused(self, static: Tensor, embedded: Tensor, state: RecurrentState) -> _Steps:
        tops = self._tops(static, state)
        context, attention = self.attention.sequence(tops, state.source.keys)
        return self.readout(tops, context, embedded), attention

    def _tops(self, static: Tensor, state: RecurrentState) -> Tensor:
        below = static
        for layer, cell in enumerate(self.cells):
            read = self.drop(below, self.dropout, training=self.training) if layer else below
            one = slice(layer, layer + 1)
            outputs, _ = cell.sequence(read, (state.hidden[:, one], state.cell_state[:, one]))
            below = self.stack(layer, outputs, below, state.dropout_mask[:, one])
        return below

    def _loop(self, static: Tensor, embedded: Tensor, state: RecurrentState) -> _Steps:
        projected = self.cells[0].project_steps(static)
        weights = self.loop_weights(*self._weights)
        tops, contexts, readouts, attention = [], [], [], []
        for now, word in zip(projected, embedded.unbind(1), strict=True):
            top, context, state = self._attend_and_recur(now, state, weights)
            attention.append(state.attention)
            if self.input_feeding:
                state = replace(state, feed=weights.readout(top, context, word))
                readouts.append(state.feed)
            else:
                tops.append(top)
                contexts.append(context)
        if self.input_feeding:
            return torch.stack(readouts, dim=1), torch.stack(attention, dim=1)
        vectors = self.readout(torch.stack(tops, dim=1), torch.stack(contexts, dim=1), embedded)
        return vectors, torch.stack(attention, dim=1)

    def attention_weights(
        self, embedded: Float[Tensor, "batch target embedding"], memory: Memory
    ) -> Float[Tensor, "batch heads target weights"]:
        """Return the attention weights of every head at all steps, the inputs being given; one step at a time."""
        state = self.initial_state(memory)
        with calls(self.attention) as asked:
            self._loop(self._static(embedded, state), embedded, state)
        return torch.cat([self.attention.attention_weights(*given) for given in asked], dim=2)


class BahdanauDecoder(RecurrentDecoder):
    """Attention first, with the previous state as query; the context enters the cell (Bahdanau et al. 2015)."""

    attends_before = context_enters_state = True

    def _attend_and_recur(
        self, projected: Tensor, state: RecurrentState, weights: StepWeights
    ) -> tuple[Tensor, Tensor, RecurrentState]:
        context, attention = self._attend(state.hidden[:, -1], state)
        top, layers = self._recur(projected, [context, state.feed], state, weights)
        return top, context, self._renewed(state, layers, attention)


class LuongDecoder(RecurrentDecoder):
    """The cell first; its new state is the query of attention (Luong et al. 2015)."""

    def _attend_and_recur(
        self, projected: Tensor, state: RecurrentState, weights: StepWeights
    ) -> tuple[Tensor, Tensor, RecurrentState]:
        top, layers = self._recur(projected, [state.feed], state, weights)
        context, attention = self._attend(top, state)
        return top, context, self._renewed(state, layers, attention)
