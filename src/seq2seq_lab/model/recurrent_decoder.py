"""The recurrent decoder: one step at a time for decoding, all steps at once for training.

A step reads `static` inputs, which are known before the loop (previous output, fixed source vector), and `dynamic`
ones, which the loop itself makes (what attention read, the previous readout). Where nothing dynamic enters the
cell, all steps are one fused call; else the loop runs with everything static projected beforehand.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seq2seq_lab.model.attention import Attention
from seq2seq_lab.model.bridge import Bridge
from seq2seq_lab.model.cell import Cell
from seq2seq_lab.model.checks import check_positive, check_probability
from seq2seq_lab.model.context import Context
from seq2seq_lab.model.embedding import TokenEmbedding
from seq2seq_lab.model.kernel.dropout import dropout
from seq2seq_lab.model.kernel.linear import Linear
from seq2seq_lab.model.kernel.loop_products import MakeProduct, Products, plain, put_off
from seq2seq_lab.model.readout import Readout
from seq2seq_lab.model.stack import Stack
from seq2seq_lab.model.state import Memory, RecurrentSource, RecurrentState, side_by_side


class RecurrentDecoder(nn.Module):
    """An RNN, GRU or LSTM over the target, with every part exchangeable.

    The two subclasses differ in when attention looks: before the cell with the previous state (`BahdanauDecoder`) or
    after it with the new one (`LuongDecoder`). `input_feeding` gives the previous readout to the cell.
    """

    attends_before = False

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
        *,
        input_feeding: bool = False,
    ):
        super().__init__()
        check_positive(dim=dim, num_layers=num_layers, vocab_size=vocab_size)
        self.dim, self.num_layers = dim, num_layers
        self.dropout = check_probability("dropout", dropout)
        self.attention, self.bridge, self.context, self.readout = (
            attention,
            bridge,
            context,
            readout,
        )
        self.input_feeding = input_feeding
        self._refuse_what_reads_nothing()

        needs_embedding = context.feeds_output or readout.uses_embedding
        self.embedding = embedding if needs_embedding else None
        self.static_dim = context.dim + (embedding.dim if context.feeds_output else 0)
        self.dynamic_dim = readout.dim if input_feeding else 0
        if self.attends_before:
            self.dynamic_dim += attention.context_dim
        widths = [self.static_dim + self.dynamic_dim] + [dim] * num_layers
        self.cells: Sequence[Cell] = nn.ModuleList(cell(a, b) for a, b in pairwise(widths))  # type: ignore[assignment]
        self.stack = stack(dim, num_layers)
        bridge.connect(has_cell=self.cells[0].has_cell)
        readout.connect(
            state_dim=dim, context_dim=attention.context_dim, embedding_dim=embedding.dim
        )
        self.output = Linear(readout.dim, vocab_size)

    def _refuse_what_reads_nothing(self) -> None:
        attends = self.attention.context_dim > 0
        if not (self.bridge.reads_source or self.context.every_step or attends):
            raise ValueError(
                "nothing of the source reaches the decoder: no attention, no fixed context at each step and a bridge "
                "that does not read the source; choose model/bridge=linear, model/context=every_step_and_output or an "
                "attention"
            )
        if attends and not self.attends_before and not self.readout.uses_context:
            raise ValueError(
                "model/readout=state with attention after the cell: what attention reads would be thrown away; use "
                "model/readout=state_context or model/order=before"
            )

    def initial_state(self, memory: Memory) -> RecurrentState:
        """Return the state before the first step; keys are made here, once per sentence."""
        hidden, cell = self.bridge(memory)
        keys = self.attention.prepare(memory)
        return RecurrentState(
            hidden=hidden,
            cell=cell,
            feed=hidden.new_zeros(hidden.shape[0], self.readout.dim if self.input_feeding else 0),
            attention=hidden.new_zeros(hidden.shape[0], 0),
            past=self.attention.start(keys),
            kept=self.stack.draw(hidden),
            source=RecurrentSource(keys, self.context.summary(memory)),
        )

    def embed(self, tokens: Int[Tensor, "batch target"]) -> Float[Tensor, "batch target embedding"]:
        """Return what the decoder reads for these tokens; width 0 where it does not read its output."""
        if self.embedding is None:
            return self.output.weight.new_zeros(*tokens.shape, 0)
        return self.embedding(tokens)

    def mix(self, weights: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows embedding"]:
        """Return what the decoder reads for a distribution over tokens: the mean of their embeddings."""
        return weights[:, :0] if self.embedding is None else self.embedding.mix(weights)

    def step(
        self, token: Int[Tensor, " rows"], state: RecurrentState, products: Products | None = None
    ) -> tuple[Float[Tensor, "rows vocab"], RecurrentState]:
        """Read one token per hypothesis; return the logits of the next one and the new state."""
        return self.step_embedded(self.embed(token.unsqueeze(1))[:, 0], state, products)

    def step_embedded(
        self,
        embedded: Float[Tensor, "rows embedding"],
        state: RecurrentState,
        products: Products | None = None,
    ) -> tuple[Float[Tensor, "rows vocab"], RecurrentState]:
        """Do `step` from what `embed` gave, or from any mixture of embeddings; a loop gives its `products`."""
        products = products or self._products(plain)
        projected = products.static(self._static(embedded.unsqueeze(1), state)[:, 0], None)
        top, context, state = self._advance(projected, state, products)
        vector = self.readout(top, context, embedded, products.readout)
        if self.input_feeding:
            state = replace(state, feed=vector)
        return products.output(vector, None), state

    def loop_products(self) -> Products:
        """Return the products for a loop of steps: weights are laid out once, their gradients made after the loop."""
        products, cell = self._products(put_off), self.cells[0]
        if not (self.dynamic_dim and cell.gates_add_up):
            return products
        dynamic = cell.weight_ih_l0[:, self.static_dim :]
        return products.joined(dynamic, cell.weight_hh_l0, cell.bias_hh_l0)

    def readouts(
        self, embedded: Float[Tensor, "batch target embedding"], memory: Memory
    ) -> Float[Tensor, "batch target readout"]:
        """Return the vectors in front of the output layer for all steps, the inputs being given."""
        state = self.initial_state(memory)
        static = self._static(embedded, state)
        if self.dynamic_dim == 0:
            return self._fused(static, embedded, state)
        return self._loop(static, embedded, state)

    def looks(
        self, embedded: Float[Tensor, "batch target embedding"], memory: Memory
    ) -> Float[Tensor, "batch heads target weights"]:
        """Return the attention weights of every head at all steps, the inputs being given; one step at a time."""
        state, products, found = self.initial_state(memory), self._products(plain), []
        projected = self.cells[0].project(self._static(embedded, state))
        for step, word in enumerate(embedded.unbind(1)):
            past = state
            top, context, state = self._advance(projected[:, step], past, products)
            query = past.hidden[:, -1] if self.attends_before else top
            asked = query.unsqueeze(1), past.source.keys, past.past.unsqueeze(1)
            found.append(self.attention.heads(*asked))
            if self.input_feeding:
                state = replace(state, feed=self.readout(top, context, word, products.readout))
        return torch.cat(found, dim=2)

    def forward(
        self, target_input: Int[Tensor, "batch target"], memory: Memory
    ) -> Float[Tensor, "batch target vocab"]:
        """Return the logits of all steps; equal to repeated `step`."""
        return self.output(self.readouts(self.embed(target_input), memory))

    def _fused(self, static: Tensor, embedded: Tensor, state: RecurrentState) -> Tensor:
        below = static
        for layer, cell in enumerate(self.cells):
            read = dropout(below, self.dropout, training=self.training) if layer else below
            one = slice(layer, layer + 1)
            outputs, _ = cell.sequence(read, (state.hidden[:, one], state.cell[:, one]))
            below = self.stack(layer, outputs, below, state.kept[:, one])
        context, _ = self.attention.sequence(below, state.source.keys)
        return self.readout(below, context, embedded)

    def _loop(self, static: Tensor, embedded: Tensor, state: RecurrentState) -> Tensor:
        # steps first, so that what a step reads lies side by side
        projected, products = self.cells[0].project(static.transpose(0, 1)), self.loop_products()
        tops, contexts, vectors = [], [], []
        for now, word in zip(projected, embedded.unbind(1), strict=True):
            top, context, state = self._advance(now, state, products)
            if self.input_feeding:
                state = replace(state, feed=self.readout(top, context, word, products.readout))
                vectors.append(state.feed)
            else:
                tops.append(top)
                contexts.append(context)
        if self.input_feeding:
            return torch.stack(vectors, dim=1)
        return self.readout(torch.stack(tops, dim=1), torch.stack(contexts, dim=1), embedded)

    def _static(self, embedded: Tensor, state: RecurrentState) -> Tensor:
        summary = state.source.summary
        if state.width > 1:
            summary = summary.repeat_interleave(state.width, dim=0)
        summary = summary.unsqueeze(1).expand(-1, embedded.shape[1], -1)
        return torch.cat([embedded, summary], dim=-1) if self.context.feeds_output else summary

    def _products(self, make: MakeProduct) -> Products:
        cell = self.cells[0]
        return Products(
            static=make(cell.weight_ih_l0[:, : self.static_dim], cell.bias_ih_l0),
            dynamic=make(cell.weight_ih_l0[:, self.static_dim :], None),
            inputs=tuple(make(c.weight_ih_l0, c.bias_ih_l0) for c in list(self.cells)[1:]),
            recurrent=tuple(cell.recurrent(make) for cell in self.cells),
            readout=self.readout.product(make),
            output=make(self.output.weight, self.output.bias),
        )

    def _advance(
        self, projected: Tensor, state: RecurrentState, products: Products
    ) -> tuple[Tensor, Tensor, RecurrentState]:
        """One step from the projected static input: (top state, what attention read, new state)."""
        raise NotImplementedError

    def _recur(
        self, projected: Tensor, dynamic: list[Tensor], state: RecurrentState, products: Products
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Run all layers for one step: (top output, states h of all layers, states c)."""
        if self.dynamic_dim:
            parts = [part for part in dynamic if part.shape[1]]
            if products.joins_state:
                parts.append(state.hidden[:, 0])
            read = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
            projected = products.dynamic(read, projected)
        hidden: list[Tensor] = []
        cells: list[Tensor] = []
        below = projected
        for layer, cell in enumerate(self.cells):
            if layer:
                read = dropout(below.unsqueeze(1), self.dropout, training=self.training)[:, 0]
                projected = products.inputs[layer - 1](read, None)
            before = (state.hidden[:, layer], state.cell[:, layer])
            new = cell.step(projected, before, products.recurrent[layer])
            below = self.stack(layer, new[0], below, state.kept[:, layer])
            hidden.append(new[0])
            cells.append(new[1])
        return below, hidden, cells

    def _attend(self, query: Tensor, state: RecurrentState) -> tuple[Tensor, Tensor]:
        """Look with all hypotheses of a sentence at once: its keys are there only once."""
        keys = state.source.keys
        sentences = (keys.mask.shape[0], -1)
        context, weights = self.attention(
            query.unflatten(0, sentences), keys, state.past.unflatten(0, sentences)
        )
        return context.flatten(0, 1), weights.flatten(0, 1)

    def _renewed(
        self, state: RecurrentState, hidden: list[Tensor], cells: list[Tensor], weights: Tensor
    ) -> RecurrentState:
        return replace(
            state,
            hidden=side_by_side(hidden),
            cell=side_by_side(cells),
            attention=weights,
            past=self.attention.advance(state.past, weights),
        )


class BahdanauDecoder(RecurrentDecoder):
    """Attention looks first, with the previous state; what it reads enters the cell (Bahdanau et al. 2015)."""

    attends_before = True

    def _advance(
        self, projected: Tensor, state: RecurrentState, products: Products
    ) -> tuple[Tensor, Tensor, RecurrentState]:
        context, weights = self._attend(state.hidden[:, -1], state)
        top, hidden, cells = self._recur(projected, [context, state.feed], state, products)
        return top, context, self._renewed(state, hidden, cells, weights)


class LuongDecoder(RecurrentDecoder):
    """The cell runs first; attention looks with the new state (Luong et al. 2015)."""

    def _advance(
        self, projected: Tensor, state: RecurrentState, products: Products
    ) -> tuple[Tensor, Tensor, RecurrentState]:
        top, hidden, cells = self._recur(projected, [state.feed], state, products)
        context, weights = self._attend(top, state)
        return top, context, self._renewed(state, hidden, cells, weights)
