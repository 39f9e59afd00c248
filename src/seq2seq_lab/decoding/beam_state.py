"""The state of a beam search: live hypotheses, their candidate continuations, and the hypotheses that ended."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq_lab.decoding.backpointers import Ended, Trace
from seq2seq_lab.decoding.hypotheses import Hypothesis

LEAST_COVERAGE = 1e-9  # a source token without any attention costs log of this, not infinity


@dataclass(frozen=True)
class Rules:
    """How a beam search ranks and when it stops; the arguments of `Beam` and `DiverseBeam`."""

    width: int
    groups: int
    strength: float
    n_best: int
    divisor: Callable[[int], float]
    coverage: float
    patience: float


@dataclass(frozen=True)
class BeamState:
    """The live hypotheses: rows are (sentences x groups x width); a dead row has the score -inf."""

    sentences: Int[Tensor, " sentences"]
    source_lengths: Int[Tensor, " sentences"]
    scores: Float[Tensor, "sentences groups width"]
    history: Int[Tensor, "rows steps"]
    coverage: Float[Tensor, "rows source"]


@dataclass(frozen=True)
class Candidates:
    """Continuations of each group, best first; `parent` is a row of the whole batch."""

    parent: Int[Tensor, "*groups candidates"]
    token: Int[Tensor, "*groups candidates"]
    token_score: Float[Tensor, "*groups candidates"]
    score: Float[Tensor, "*groups candidates"]

    def pick(self, places: Int[Tensor, "*groups picked"]) -> "Candidates":
        """Return those at these places."""
        parts = (self.parent, self.token, self.token_score, self.score)
        return Candidates(*(part.gather(-1, places) for part in parts))


class EndedHypotheses:
    """The hypotheses that ended, by sentence and group, and the stopping rule of the search."""

    def __init__(self, count: int, rules: Rules):
        self.rules = rules
        self.ended: list[list[list[Ended]]] = [
            [[] for _ in range(rules.groups)] for _ in range(count)
        ]

    def add(self, found: Candidates, which: Tensor, beam: BeamState, step: int) -> None:
        """Add the candidates where `which` is True; `beam` has their parents, its coverage includes this step."""
        places = which.nonzero()
        if not len(places):
            return
        at = tuple(places.t())
        parents = found.parent[at]
        penalty = self._coverage_penalty(beam.coverage[parents], beam.source_lengths[at[0]])
        divisor = self.rules.divisor(step + 1)
        parts = (beam.sentences[at[0]], at[1], parents, found.token[at], found.token_score[at])
        rows = zip(*(p.tolist() for p in (*parts, found.score[at], penalty)), strict=True)
        for sentence, group, parent, token, token_score, score, cost in rows:
            rank = score / divisor + cost
            self.ended[sentence][group].append(Ended(step, parent, token, token_score, score, rank))

    def _coverage_penalty(self, coverage: Tensor, lengths: Tensor) -> Tensor:
        """Return beta x sum over source tokens of log min(attention received, 1) (Wu et al. 2016)."""
        if not self.rules.coverage:
            return coverage.new_zeros(coverage.shape[0])
        real = torch.arange(coverage.shape[1], device=coverage.device) < lengths.unsqueeze(1)
        cost = coverage.clamp(LEAST_COVERAGE, 1.0).log().masked_fill(~real, 0.0)
        return self.rules.coverage * cost.sum(dim=-1)

    def is_done(self, sentence: int, group: int, best_score: float, now: int, longest: int) -> bool:
        """Return whether no live hypothesis can still be among the n best.

        `best_score` is that of the best live one, which has `now` tokens. Once patience x width hypotheses have ended,
        it is enough that none is among the n best as it stands: a leader is never dropped for what ended earlier.
        """
        ended = [one.rank for one in self.ended[sentence][group] if one.finished]
        wanted = min(self.rules.n_best, self.rules.width)
        if best_score == -inf or len(ended) < wanted:
            return best_score == -inf
        is_enough = len(ended) >= self.rules.patience * self.rules.width
        if is_enough and self.rules.width == 1:
            return True  # one path: it ends where its best token is the end
        length = now if is_enough else longest
        return sorted(ended)[-wanted] >= best_score / self.rules.divisor(length)

    def finalize(self, trace: Trace) -> list[list[Hypothesis]]:
        """Return the n best of each sentence, no string twice."""
        return [self._best(groups, trace) for groups in self.ended]

    def _best(self, groups: list[list[Ended]], trace: Trace) -> list[Hypothesis]:
        ordered = sorted((one for group in groups for one in group), key=lambda one: one.order)
        found: dict[tuple[int, ...], Hypothesis] = {}
        for one in reversed(ordered):
            hypothesis = trace.read(one)
            found.setdefault((*hypothesis.tokens.tolist(), one.finished), hypothesis)
            if len(found) == self.rules.n_best:
                break
        return list(found.values())
