"""Searches of several seeds at once: the sentences of all seeds are one batch, from which each leaves when it ends.

The parts with parameters need equally many rows for every seed, so a seed with fewer sentences left carries rows that
nobody reads.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq_lab.model.encoder_decoder import EncoderDecoder, Stepper
from seq2seq_lab.model.state import DecoderState, Memory
from seq2seq_lab.special_tokens import BOS


@dataclass(frozen=True)
class SearchState:
    """The decoder state of the sentences that are left, seed after seed.

    `inner` has equally many sentences for each seed; `places` says which of them are real, in order.
    """

    inner: DecoderState
    places: Int[Tensor, " sentences"]
    seeds: int

    @property
    def _each(self) -> int:
        """How many sentences `inner` has for each seed."""
        return len(self.inner.attention) // self.inner.width // self.seeds

    @property
    def is_full(self) -> bool:
        """Whether every row of `inner` is read."""
        return len(self.places) == self._each * self.seeds

    @property
    def rows(self) -> Int[Tensor, " rows"]:
        """The real rows of `inner`, in order."""
        width = self.inner.width
        within = torch.arange(width, device=self.places.device)
        return (self.places.unsqueeze(1) * width + within).flatten()

    @property
    def attention(self) -> Float[Tensor, "rows weights"]:
        """The weights of the latest step."""
        attention: Tensor = self.inner.attention
        return attention if self.is_full else attention[self.rows]

    def reorder(self, rows: Int[Tensor, " rows"]) -> Self:
        """Return the state of these hypotheses, equally many for each sentence."""
        width = len(rows) // len(self.places)
        first = torch.arange(self._each * self.seeds, device=rows.device) * self.inner.width
        chosen = first.unsqueeze(1).expand(-1, width).clone()
        chosen[self.places] = self.rows[rows].unflatten(0, (-1, width))
        return replace(self, inner=self.inner.reorder(chosen.flatten()))

    def select(self, sentences: Int[Tensor, " sentences"]) -> Self:
        """Return the state of these sentences, in increasing order, with all their hypotheses."""
        places, each = self.places[sentences], self._each
        of_seed = places // each
        counts = torch.bincount(of_seed, minlength=self.seeds)
        fewer = int(counts.max()) if len(places) else 0
        if fewer == each:
            return replace(self, places=places)
        within = torch.arange(len(places), device=places.device) - (
            counts.cumsum(0) - counts
        ).index_select(0, of_seed)
        chosen = torch.arange(self.seeds, device=places.device).unsqueeze(1) * each
        chosen = chosen.expand(-1, fewer).clone()
        chosen[of_seed, within] = places
        return replace(
            self,
            inner=self.inner.select(chosen.flatten()),
            places=of_seed * fewer + within,
        )


class SeedwiseSearchModel:
    """What a search needs of a model, for one that computes several seeds at once.

    The sentences of a batch are those of the first seed, then those of the second ..., equally many.
    """

    def __init__(self, model: EncoderDecoder, seeds: int):
        self.model, self.seeds = model, seeds

    def encode(self, source: Int[Tensor, "batch source"], lengths: Int[Tensor, " batch"]) -> Memory:
        """Return the memory of the padded source ids."""
        return self.model.encode(source, lengths)

    def initial_state(self, memory: Memory) -> SearchState:
        """Return the decoder's state before its first step."""
        places = torch.arange(len(memory.mask), device=memory.mask.device)
        return SearchState(self.model.initial_state(memory), places, self.seeds)

    def stepper(self) -> Stepper:
        """Return the decoder's step for a whole search."""
        inner_step = self.model.stepper()

        def step(token: Tensor, state: Any) -> tuple[Tensor, SearchState]:
            if state.is_full:
                logits, inner = inner_step(token, state.inner)
                return logits, replace(state, inner=inner)
            rows = state.rows
            tokens = token.new_full((len(state.inner.attention),), BOS)
            tokens[rows] = token
            logits, inner = inner_step(tokens, state.inner)
            return logits[rows], replace(state, inner=inner)

        return step
