"""Exact hard attention (Wu et al. 2018; Wu and Cotterell 2019): the alignment is a latent variable that is summed out.

At step t the decoder reads one source position a_t. Its cell sees the tokens y_<t and never the alignment, so

    p(y | x) = sum over a of the product over t of p(a_t | a_{t-1}, s_t) p(y_t | a_t, s_t)

is a hidden Markov model, and the forward algorithm computes the sum exactly. It is done here one token at a time:

    p(a_t | y_<t) = sum_i p(a_{t-1} = i | y_<t) p(a_t | a_{t-1} = i, s_t)      the prior of step t
    p(y_t | y_<t) = sum_j p(a_t = j | y_<t) p(y_t | a_t = j, s_t)              what a step returns, as a logarithm
    p(a_t | y_<=t) is proportional to p(a_t | y_<t) p(y_t | a_t, s_t)          the posterior; the next step starts there

The product of the second line over t is p(y | x): loss, search, sampling and scoring need to know nothing of a.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq_lab.batch import pick
from seq2seq_lab.model.attention import Attention
from seq2seq_lab.model.bridge import Bridge
from seq2seq_lab.model.cell import Cell
from seq2seq_lab.model.context import Context
from seq2seq_lab.model.embedding import TokenEmbedding
from seq2seq_lab.model.normalizer import Softmax
from seq2seq_lab.model.readout import Readout
from seq2seq_lab.model.recurrent_decoder import LuongDecoder
from seq2seq_lab.model.stack import Stack
from seq2seq_lab.model.state import Memory, RecurrentState
from seq2seq_lab.model.step_weights import StepWeights
from seq2seq_lab.model.transition import LOG_ZERO, Transition

LARGEST = 80.0
"""The exponent above which exp overflows in float32 is 88."""


@dataclass(frozen=True)
class HardAttentionState(RecurrentState):
    """The state of a recurrent decoder with the alignment of the latest step, as logarithms of probabilities.

    `prior` is p(a_t | y_<t) and `emission` p(y_t | a_t, y_<t); y_t, the next token to be read, makes the posterior of
    them. Before the first step the prior is the first position, and the emission 1 for every token.
    """

    prior: Float[Tensor, "rows source"]
    emission: Float[Tensor, "rows source vocab"]


def log_likelihood(
    emission: Float[Tensor, "rows steps source vocab"], weights: Float[Tensor, "rows steps vocab"]
) -> Float[Tensor, "rows steps source"]:
    """Return log sum_v w_v p(v | a_t = j), up to a number that is the same for all positions j.

    The weights are those of a distribution over tokens; that of a given token is 1 at the token. They get a gradient
    also where they are 0, as a straight-through sample needs it.
    """
    absent = (weights <= 0).unsqueeze(-2)
    highest = emission.detach().masked_fill(absent, LOG_ZERO).amax(dim=(-2, -1), keepdim=True)
    relative = (emission - highest).clamp(max=LARGEST).exp()  # above 0 only where the weight is 0
    likelihood = (relative @ weights.unsqueeze(-1)).squeeze(-1)
    return likelihood.clamp(min=torch.finfo(likelihood.dtype).tiny).log()


def posterior(
    prior: Float[Tensor, "rows source"], log_likelihood: Float[Tensor, "rows source"]
) -> Float[Tensor, "rows source"]:
    """Return log p(a_t | y_<=t)."""
    return (prior + log_likelihood).log_softmax(dim=-1)


def advance(
    posterior: Float[Tensor, "rows source"], transition: Float[Tensor, "rows source source"]
) -> Float[Tensor, "rows source"]:
    """Return the prior of the next step: one step of the forward algorithm."""
    return (posterior.unsqueeze(-1) + transition).logsumexp(dim=-2)


def marginal(
    prior: Float[Tensor, "*shape source"], emission: Float[Tensor, "*shape source vocab"]
) -> Float[Tensor, "*shape vocab"]:
    """Return log p(y_t | y_<t): the mean of the positions' distributions under the prior."""
    return (prior.unsqueeze(-1) + emission).logsumexp(dim=-2)


class HardAttentionDecoder(LuongDecoder):
    """A recurrent decoder that reads one source position at each step; its logits are exact log-probabilities.

    `attention` scores the positions by the new state, `transition` makes p(a_t | a_{t-1}) of the scores, and the
    readout of the state and one position's vector gives that position's distribution over tokens. The decoder's input
    is a token's embedding and the token itself, as weights over the vocabulary: the posterior needs it. The attention
    weights of a step are p(a_t | y_<t). Memory grows with source x target x vocabulary: for characters and phonemes.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding: TokenEmbedding,
        cell: Callable[..., Cell],
        attention: Attention,
        transition: Transition,
        bridge: Bridge,
        context: Context,
        readout: Readout,
        dim: int,
        num_layers: int = 1,
        dropout: float = 0.0,
        stack: Callable[..., Stack] = Stack,
    ):
        super().__init__(
            vocab_size, embedding, cell, attention, bridge, context, readout, dim, num_layers, dropout, stack
        )  # fmt: skip
        self.vocab_size, self.transition = vocab_size, transition

    def _refuse_unused_source(self) -> None:
        if not self.readout.uses_context:
            raise ValueError(
                "model/readout=state with hard attention: a token would not depend on the position that is read; use "
                "model/readout=state_context or deep"
            )
        kind = type(self.attention)
        scores = kind.forward is Attention.forward and kind.energies is Attention.energies
        if not scores or type(self.attention.normalizer) is not Softmax:
            name = kind.__name__ if not scores else type(self.attention.normalizer).__name__
            raise ValueError(
                f"{name} with hard attention: only the scores of one softmax make transitions; use model/attention="
                "general, dot, scaled_dot, additive or uniform, without model/normalizer"
            )

    def initial_state(self, memory: Memory) -> HardAttentionState:
        """Return the state before the first step: the alignment is at the first position."""
        state = super().initial_state(memory)
        rows, source = memory.mask.shape
        # wide: the sums of the forward algorithm are too fine for half precision
        wide = torch.promote_types(memory.states.dtype, torch.float32)
        blank = memory.states.new_zeros(rows, source, dtype=wide)
        prior = blank.masked_fill(torch.arange(source, device=blank.device) > 0, LOG_ZERO)
        emission = blank.unsqueeze(-1).expand(-1, -1, self.vocab_size)
        return HardAttentionState(**vars(state), prior=prior, emission=emission)

    def embed(self, tokens: Int[Tensor, "batch target"]) -> Float[Tensor, "batch target input"]:
        """Return the embeddings of these tokens, and behind them each token as weights over the vocabulary."""
        embedded = super().embed(tokens)
        every = torch.arange(self.vocab_size, device=tokens.device)
        return torch.cat([embedded, (tokens.unsqueeze(-1) == every).to(embedded.dtype)], dim=-1)

    def mix(self, weights: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows input"]:
        """Return the mean embedding under a distribution over tokens, and behind it the distribution."""
        return torch.cat([super().mix(weights), weights], dim=-1)

    def _split(self, embedded: Tensor) -> tuple[Tensor, Tensor]:
        """Return the embeddings and the weights over the vocabulary."""
        width = embedded.shape[-1] - self.vocab_size
        return embedded[..., :width], embedded[..., width:]

    def _step(
        self,
        weights: StepWeights,
        embedded: Tensor,
        state: Any,
        token: Tensor | None = None,
    ) -> tuple[Tensor, HardAttentionState]:
        """Return log p(y_t | y_<t) and the new state; `embedded` holds y_{t-1}."""
        word, seen = self._split(embedded)
        shared = None if state.source.summary.shape[1] else token
        projected = weights.static(self._static(word.unsqueeze(1), state)[:, 0], shared)
        top, layers = self._recur(projected, [], state, weights)
        values, mask = self._positions(state)
        rows, width = mask.shape

        def each(part: Tensor) -> Tensor:
            return part.unsqueeze(1).expand(-1, width, -1).flatten(0, 1)

        readouts = weights.readout(each(top), values.flatten(0, 1), each(word))
        emission = self._log_softmax(weights.output(readouts).unflatten(0, (rows, width)))
        scores = self._scores(top, state).unsqueeze(1)
        before = state.emission.unsqueeze(1)
        reached = posterior(state.prior, log_likelihood(before, seen.unsqueeze(1).to(before))[:, 0])
        prior = advance(reached, self.transition(scores, mask)[:, 0])
        new: Any = self._renewed(state, layers, prior.exp().to(top))
        return marginal(prior, emission), replace(new, prior=prior, emission=emission)

    @staticmethod
    def _log_softmax(logits: Tensor) -> Tensor:
        return logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=-1)

    def _positions(
        self, state: RecurrentState
    ) -> tuple[Float[Tensor, "rows source value"], Bool[Tensor, "rows source"]]:
        """Return the source vectors and the mask, once for each hypothesis."""
        keys = state.source.keys
        if state.width == 1:
            return keys.values, keys.mask
        width = state.width
        return keys.values.repeat_interleave(width, 0), keys.mask.repeat_interleave(width, 0)

    def _scores(self, query: Tensor, state: RecurrentState) -> Tensor:
        """Return the scores (rows, source) of the hypotheses' states; those of a sentence share its keys."""
        keys = state.source.keys
        queries = query.unflatten(0, (keys.mask.shape[0], -1))
        scores = self.attention.energies(queries, keys, queries[..., :0]).flatten(0, 1)
        return scores.to(torch.promote_types(scores.dtype, torch.float32))

    def forward(
        self,
        embedded: Float[Tensor, "batch target input"],
        memory: Memory,
        places: Bool[Tensor, "batch target"] | Int[Tensor, " places"] | None = None,
    ) -> Float[Tensor, "*positions vocab"]:
        """Return log p(y_t | y_<t) of all steps, or row by row at `places`; equal to repeated `step_embedded`."""
        found = self.readouts(embedded, memory)
        return found if places is None else pick(found, places)

    def readouts(
        self, embedded: Float[Tensor, "batch target input"], memory: Memory
    ) -> Float[Tensor, "batch target vocab"]:
        """Return log p(y_t | y_<t) of all steps: what a position reads out is summed after its softmax."""
        return marginal(*self._all_steps(embedded, memory))

    def attention_weights(
        self, embedded: Float[Tensor, "batch target input"], memory: Memory
    ) -> Float[Tensor, "batch heads target source"]:
        """Return p(a_t | y_<t) of all steps, the inputs being given."""
        return self._all_steps(embedded, memory)[0].exp().to(embedded).unsqueeze(1)

    def _all_steps(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return the priors (batch, target, source) and the emissions (batch, target, source, vocab)."""
        state = self.initial_state(memory)
        word, seen = self._split(embedded)
        tops, keys = self._tops(self._static(word, state), state), state.source.keys
        emission = self._emission(tops, word, keys.values)
        scores = self.attention.energies(tops, keys, tops[..., :0]).to(emission)
        transitions = self.transition(scores, keys.mask)
        likelihoods = log_likelihood(emission[:, :-1], seen[:, 1:].to(emission))
        priors = [advance(state.prior, transitions[:, 0])]
        for likelihood, transition in zip(
            likelihoods.unbind(1), transitions[:, 1:].unbind(1), strict=True
        ):
            priors.append(advance(posterior(priors[-1], likelihood), transition))
        return torch.stack(priors, dim=1), emission

    def _emission(
        self,
        tops: Float[Tensor, "batch target dim"],
        word: Float[Tensor, "batch target embedding"],
        values: Float[Tensor, "batch source value"],
    ) -> Float[Tensor, "batch target source vocab"]:
        """Return log p(y_t | a_t = j, y_<t) at [row, t, j]."""
        (batch, target, _), source = tops.shape, values.shape[1]

        def each(part: Tensor) -> Tensor:
            return part.unsqueeze(1).expand(-1, source, -1, -1).flatten(0, 1)

        read = values.unsqueeze(2).expand(-1, -1, target, -1).flatten(0, 1)
        logits = self.output(self.readout(each(tops), read, each(word)))
        return self._log_softmax(logits.unflatten(0, (batch, source)).transpose(1, 2))
