"""Beam search: the `beam_size` best hypotheses of each sentence, extended in parallel.

Live rows are (sentences x groups x width); a plain beam is one group, a diverse beam several groups that penalise each
other's tokens. The rows of a sentence share its keys and memory. In each step `expand` finds the best continuations of
every group and `prune` separates those that end from those that go on. A group is done when no live hypothesis of it
can win; a sentence leaves the batch when all its groups are done.
"""

from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq_lab.decoding.backpointers import Trace
from seq2seq_lab.decoding.beam_state import BeamState, Candidates, EndedHypotheses, Rules
from seq2seq_lab.decoding.hypotheses import Hypothesis, Request, State, Step
from seq2seq_lab.decoding.length_penalty import NoPenalty
from seq2seq_lab.decoding.limits import Limits, SearchSettings
from seq2seq_lab.decoding.top import top
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.special_tokens import BOS, EOS


class LengthPenalty(Protocol):
    """A divisor of log-probabilities that never decreases with the length."""

    def divisor(self, length: int) -> float:
        """Return the divisor for a hypothesis of `length` tokens."""
        ...


def expand(
    scores: Float[Tensor, "rows vocab"],
    beam: BeamState,
    rules: Rules,
) -> Candidates:
    """Return the best 2 x width continuations of every group: at least width of them do not end.

    `scores` are log-probabilities, -inf where a rule forbids the token. Groups choose in turn: a token costs `strength`
    for each time that an earlier group took it in this step (Vijayakumar et al. 2018).
    """
    sentences, groups, width = beam.scores.shape
    by_group = scores.view(sentences, groups, width, -1)
    cost = torch.zeros_like(by_group[:, 0, :1])
    chosen: list[Candidates] = []
    for group in range(groups):
        now, before = by_group[:, group], beam.scores[:, group]
        keys = now - cost if group else now
        found = continuations(keys, now, before, rules.width)
        first_row = torch.arange(sentences, device=scores.device) * groups * width + group * width
        chosen.append(replace(found, parent=found.parent + first_row.unsqueeze(1)))
        if group + 1 < groups:
            cost = cost + rules.strength * counted(found, rules.width, cost)
    names = ("parent", "token", "token_score", "score")
    return Candidates(*(torch.stack([getattr(c, name) for c in chosen], dim=1) for name in names))


def counted(
    found: Candidates, width: int, like: Float[Tensor, "sentences one vocab"]
) -> Float[Tensor, "sentences one vocab"]:
    """Return how often each token is among the `width` best of a group; a group that is done counts for nothing."""
    tokens = found.token[:, :width].unsqueeze(1)
    live = torch.isfinite(found.score[:, :width]).unsqueeze(1).to(like.dtype)
    return torch.zeros_like(like).scatter_add(2, tokens, live)


def continuations(
    keys: Float[Tensor, "sentences width vocab"],
    scores: Float[Tensor, "sentences width vocab"],
    before: Float[Tensor, "sentences width"],
    size: int,
) -> Candidates:
    """Return the best 2 x size tokens after the rows of one group, chosen by `keys` and scored by `scores`.

    size + 1 of each row are enough, since a row has one end token. `parent` counts from the first row of the group.
    """
    best, tokens = top(keys, min(size + 1, keys.shape[-1]))
    token_scores = best if keys is scores else scores.gather(-1, tokens)
    order = (before.unsqueeze(-1) + best).flatten(1)
    places = order.topk(min(2 * size, order.shape[1]), dim=-1).indices
    return Candidates(
        parent=places // best.shape[-1],
        token=tokens.flatten(1).gather(1, places),
        token_score=token_scores.flatten(1).gather(1, places),
        score=(before.unsqueeze(-1) + token_scores).flatten(1).gather(1, places),
    )


def survivors(
    token: Int[Tensor, "*groups candidates"],
    score: Float[Tensor, "*groups candidates"],
    width: int,
) -> Int[Tensor, "*groups survivors"]:
    """Return the places of the first `width` candidates that do not end, in order; dead ones fill the rest."""
    goes_on = (token != EOS) & torch.isfinite(score)
    order = (~goes_on).to(torch.int8).sort(dim=-1, stable=True).indices
    return order[..., : min(width, token.shape[-1])]


def init(limits: Limits, source_lengths: Tensor, groups: int, like: Tensor) -> BeamState:
    """Return one empty hypothesis per group."""
    count = len(limits.maximum)
    return BeamState(
        sentences=torch.arange(count, device=like.device),
        source_lengths=source_lengths.to(like.device),
        scores=torch.zeros(count, groups, 1, dtype=like.dtype, device=like.device),
        history=torch.zeros(count * groups, 0, dtype=torch.long, device=like.device),
        coverage=like.new_zeros(count * groups, 0),
    )


def beam_search(
    step: Step, state: State, limits: Limits, source_lengths: Tensor, rules: Rules
) -> list[list[Hypothesis]]:
    """Return up to `n_best` hypotheses of each sentence, best first."""
    beam = init(limits, source_lengths, rules.groups, state.attention)
    ended, trace = EndedHypotheses(limits.maximum, rules), Trace()
    state = state.reorder(beam.sentences.repeat_interleave(rules.groups))
    token = beam.history.new_full((len(beam.history),), BOS)
    while len(beam.sentences):
        logits, state = step(token, state)
        scores = logits.log_softmax(dim=-1)  # before the rules: they never change a probability
        found = expand(limits.apply_(scores, beam.history), beam, rules)
        trace.attention.append(state.attention)
        beam = replace(beam, coverage=_coverage(beam, state, rules))

        found, score = prune(found, beam, ended, limits.maximum)
        going = torch.isfinite(score).flatten(1).any(dim=1).nonzero().squeeze(1)
        parents, token = found.parent[going].flatten(), found.token[going].flatten()
        trace.append(parents, token, found.token_score[going].flatten())
        state = state.reorder(found.parent.flatten())
        if len(going) < len(beam.sentences):
            state, limits = state.select(going), limits.select(going)
        beam = BeamState(
            sentences=beam.sentences[going],
            source_lengths=beam.source_lengths[going],
            scores=score[going],
            history=torch.cat([beam.history[parents], token.unsqueeze(1)], dim=1),
            coverage=beam.coverage[parents],
        )
    return ended.finalize(trace)


def prune(
    found: Candidates, beam: BeamState, ended: EndedHypotheses, longest: Tensor
) -> tuple[Candidates, Float[Tensor, "sentences groups width"]]:
    """Add the candidates that end to `ended`; return the others, with the score -inf where they do not go on.

    An end token counts where it is among the first `width` candidates, so it never costs more than a place.
    """
    step = beam.history.shape[1]
    first = torch.arange(found.token.shape[-1], device=found.token.device) < ended.rules.width
    ends = (found.token == EOS) & first & torch.isfinite(found.score)
    ended.add(found, ends, beam, step)
    found = found.pick(survivors(found.token, found.score, ended.rules.width))
    at_limit = (longest == step + 1).view(-1, 1, 1)
    score = _stop_done(found.score.masked_fill(found.token == EOS, -inf), beam, ended, longest)
    # after the stopping rule, so that a group that ended in time is not cut as well
    ended.add(found, at_limit & torch.isfinite(score), beam, step)
    return found, score.masked_fill(at_limit, -inf)


def _coverage(beam: BeamState, state: Any, rules: Rules) -> Tensor:
    """Return the attention that each source token has received so far; width 0 without a coverage penalty."""
    if not rules.coverage:
        return beam.coverage
    if not state.attention.shape[1]:
        raise ConfigError(
            "decoding.coverage_penalty: this model has no attention to cover the source with; set it to 0"
        )
    return state.attention + (beam.coverage if beam.coverage.shape[1] else 0.0)


def _stop_done(score: Tensor, beam: BeamState, ended: EndedHypotheses, longest: Tensor) -> Tensor:
    """Return the scores with -inf for the groups that are done."""
    best, now = score.amax(dim=-1), beam.history.shape[1] + 1
    done = ended.is_done(beam.sentences, best, now, longest)
    return score.masked_fill(done.unsqueeze(-1), -inf)


@dataclass(frozen=True, kw_only=True)
class Beam(SearchSettings):
    """Beam search over `beam_size` hypotheses; `n_best` of them are returned.

    Hypotheses of different lengths compete by their log-probability over the length penalty, plus `coverage_penalty` x
    the sum over the source tokens of log min(attention received, 1) (Wu et al. 2016). A sentence is done when no live
    hypothesis can still win, or when `patience` x `beam_size` have ended (Kasai et al. 2022) and no live one is ahead
    of them.
    """

    beam_size: int = 5
    n_best: int = 1
    length_penalty: LengthPenalty = field(default_factory=NoPenalty)
    coverage_penalty: float = 0.0
    patience: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beam_size < 1:
            raise ValueError(
                f"beam_size={self.beam_size}: must be >= 1; use decoding=greedy for a single path"
            )
        if not 1 <= self.n_best <= self.beam_size:
            raise ValueError(
                f"n_best={self.n_best}: must be from 1 to beam_size={self.beam_size}; raise beam_size for more"
            )
        if self.coverage_penalty < 0:
            raise ValueError(f"coverage_penalty={self.coverage_penalty}: must be >= 0")
        if self.patience <= 0:
            raise ValueError(f"patience={self.patience}: must be > 0; 1 is usual")

    @property
    def rules(self) -> Rules:
        """The settings in the form of `beam_search`."""
        return Rules(
            width=self.beam_size,
            groups=1,
            strength=0.0,
            n_best=self.n_best,
            divisor=self.length_penalty.divisor,
            coverage=self.coverage_penalty,
            patience=self.patience,
        )

    def __call__(self, step: Step, state: State, request: Request) -> list[list[Hypothesis]]:
        """Return up to `n_best` hypotheses of each sentence, best first."""
        limits = self.limits(request, state.attention.device)
        return beam_search(step, state, limits, request.source_lengths, self.rules)
