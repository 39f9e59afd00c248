"""Beam search: the best few hypotheses of each sentence, extended side by side.

Live rows are (sentences x groups x width); a plain beam is one group, a diverse beam several that keep out of each
other's way. The rows of a sentence share its keys and memory. One step: `expand` finds the best continuations of every
group, `divide` parts those that end from those that live on. A group closes when nothing that still lives can win; a
sentence leaves the batch when all its groups are closed.
"""

from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq_lab.decoding.backpointers import Trace
from seq2seq_lab.decoding.beam_state import Candidates, Closing, Live, Rules
from seq2seq_lab.decoding.hypotheses import Hypothesis, Request, State, Step
from seq2seq_lab.decoding.length_penalty import NoPenalty
from seq2seq_lab.decoding.limits import Limits, SearchSettings
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.special_tokens import BOS, EOS


class LengthPenalty(Protocol):
    """A divisor that never falls with the length."""

    def divisor(self, length: int) -> float:
        """Return it for so many tokens."""
        ...


def expand(
    logits: Float[Tensor, "rows vocab"], total: Float[Tensor, " rows"], live: Live, rules: Rules
) -> Candidates:
    """Return the best 2 x width continuations of every group, so that width of them do not end.

    `total` is the logsumexp of each row before any rule. Groups choose in turn: a token costs `strength` for each time
    that an earlier group took it in this step (Vijayakumar et al. 2018).
    """
    sentences, groups, width = live.scores.shape
    by_group = logits.view(sentences, groups, width, -1)
    totals = total.view(sentences, groups, width)
    cost = torch.zeros_like(by_group[:, 0, :1])
    chosen: list[Candidates] = []
    for group in range(groups):
        now, before = by_group[:, group], live.scores[:, group]
        keys = now - cost if group else now
        found = continuations(keys, now, totals[:, group], before, rules.width)
        first_row = torch.arange(sentences, device=logits.device) * groups * width + group * width
        chosen.append(replace(found, parent=found.parent + first_row.unsqueeze(1)))
        if group + 1 < groups:
            cost = cost + rules.strength * counted(found, rules.width, cost)
    names = ("parent", "token", "token_score", "score")
    return Candidates(*(torch.stack([getattr(c, name) for c in chosen], dim=1) for name in names))


def counted(
    found: Candidates, width: int, like: Float[Tensor, "sentences one vocab"]
) -> Float[Tensor, "sentences one vocab"]:
    """Return how often each token is among the `width` best of a group; a closed group takes nothing."""
    tokens = found.token[:, :width].unsqueeze(1)
    lives = torch.isfinite(found.score[:, :width]).unsqueeze(1).to(like.dtype)
    return torch.zeros_like(like).scatter_add(2, tokens, lives)


def continuations(
    keys: Float[Tensor, "sentences width vocab"],
    logits: Float[Tensor, "sentences width vocab"],
    total: Float[Tensor, "sentences width"],
    before: Float[Tensor, "sentences width"],
    size: int,
) -> Candidates:
    """Return the best 2 x size tokens after the rows of one group, chosen by `keys` and scored by `logits`.

    The top of each row is taken on raw logits, so the log-probabilities of the vocabulary are never written; size + 1
    of each row are enough, since a row has one end token. `parent` counts from the first row of the group.
    """
    best, tokens = keys.topk(min(size + 1, keys.shape[-1]), dim=-1)
    token_scores = logits.gather(-1, tokens) - total.unsqueeze(-1)
    scores = (before.unsqueeze(-1) + token_scores).flatten(1)
    order = (before.unsqueeze(-1) + best - total.unsqueeze(-1)).flatten(1)
    places = order.topk(min(2 * size, order.shape[1]), dim=-1).indices
    return Candidates(
        parent=places // best.shape[-1],
        token=tokens.flatten(1).gather(1, places),
        token_score=token_scores.flatten(1).gather(1, places),
        score=scores.gather(1, places),
    )


def survivors(
    token: Int[Tensor, "*groups candidates"],
    score: Float[Tensor, "*groups candidates"],
    width: int,
) -> Int[Tensor, "*groups survivors"]:
    """Return the places of the first `width` candidates that do not end, in their order; dead ones fill up."""
    goes_on = (token != EOS) & torch.isfinite(score)
    order = (~goes_on).to(torch.int8).sort(dim=-1, stable=True).indices
    return order[..., : min(width, token.shape[-1])]


def start(limits: Limits, source_lengths: Tensor, groups: int, like: Tensor) -> Live:
    """Return one empty hypothesis per group."""
    count = len(limits.maximum)
    return Live(
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
    live = start(limits, source_lengths, rules.groups, state.attention)
    closing, trace = Closing(len(limits.maximum), rules), Trace()
    state = state.reorder(live.sentences.repeat_interleave(rules.groups))
    token = live.history.new_full((len(live.history),), BOS)
    while len(live.sentences):
        logits, state = step(token, state)
        total = logits.logsumexp(dim=-1)  # before the rules: they never change a probability
        found = expand(limits.apply_(logits, live.history), total, live, rules)
        trace.looks.append(state.attention)
        live = replace(live, coverage=_covered(live, state, rules))

        found, score = divide(found, live, closing, limits.maximum)
        keep = torch.isfinite(score).flatten(1).any(dim=1).nonzero().squeeze(1)
        parents, token = found.parent[keep].flatten(), found.token[keep].flatten()
        trace.append(parents, token, found.token_score[keep].flatten())
        state = state.reorder(found.parent.flatten())
        if len(keep) < len(live.sentences):
            state, limits = state.select(keep), limits.select(keep)
        live = Live(
            sentences=live.sentences[keep],
            source_lengths=live.source_lengths[keep],
            scores=score[keep],
            history=torch.cat([live.history[parents], token.unsqueeze(1)], dim=1),
            coverage=live.coverage[parents],
        )
    return closing.results(trace)


def divide(
    found: Candidates, live: Live, closing: Closing, longest: Tensor
) -> tuple[Candidates, Float[Tensor, "sentences groups width"]]:
    """Give what ends to `closing`; return what could live on, with the score -inf where it does not.

    An end token counts where it is among the first `width` candidates, so it never costs more than a place.
    """
    step = live.history.shape[1]
    first = torch.arange(found.token.shape[-1], device=found.token.device) < closing.rules.width
    ends = (found.token == EOS) & first & torch.isfinite(found.score)
    closing.add(found, ends, live, step)
    found = found.pick(survivors(found.token, found.score, closing.rules.width))
    at_limit = (longest == step + 1).view(-1, 1, 1)
    score = _close(found.score.masked_fill(found.token == EOS, -inf), live, closing, longest)
    # after closing, so that a group that ended in time is not cut as well
    closing.add(found, at_limit & torch.isfinite(score), live, step)
    return found, score.masked_fill(at_limit, -inf)


def _covered(live: Live, state: Any, rules: Rules) -> Tensor:
    """Return the attention that each source token has received so far; width 0 where nobody asks."""
    if not rules.coverage:
        return live.coverage
    if not state.attention.shape[1]:
        raise ConfigError(
            "decoding.coverage_penalty: this model has no attention to cover the source with; set it to 0"
        )
    return state.attention + (live.coverage if live.coverage.shape[1] else 0.0)


def _close(score: Tensor, live: Live, closing: Closing, longest: Tensor) -> Tensor:
    """Return the scores with -inf for groups that are closed."""
    best = score.amax(dim=-1).tolist()
    closed = [
        [closing.is_closed(sentence, g, one, limit) for g, one in enumerate(groups)]
        for sentence, groups, limit in zip(
            live.sentences.tolist(), best, longest.tolist(), strict=True
        )
    ]
    return score.masked_fill(torch.tensor(closed, device=score.device).unsqueeze(-1), -inf)


@dataclass(frozen=True, kw_only=True)
class Beam(SearchSettings):
    """Beam search over `beam_size` hypotheses; `n_best` of them are returned.

    Hypotheses of unlike length compete by their log-probability over the length penalty, plus `coverage_penalty` x the
    log of how far each source token was attended to (Wu et al. 2016). A sentence is done when `patience` x `beam_size`
    hypotheses have ended (Kasai et al. 2022) or none that lives can still win.
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
        """The settings as the search takes them."""
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
