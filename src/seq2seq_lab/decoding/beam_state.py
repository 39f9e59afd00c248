"""The state of a beam search: live hypotheses, their candidate continuations, and the hypotheses that ended."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from math import inf

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq_lab.decoding.backpointers import Ended, Trace
from seq2seq_lab.decoding.hypotheses import Hypothesis
from seq2seq_lab.float64 import home, in_float64
from seq2seq_lab.special_tokens import EOS

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
    """The hypotheses that ended, and the stopping rule of the search.

    `ranks` are those of the best finished ones of each sentence and group, as many as the search returns, best first;
    `finished` counts all finished ones. Ranks are of float64.
    """

    def __init__(self, longest: Int[Tensor, " sentences"], rules: Rules):
        self.rules, self.ended = rules, list[Ended]()
        shape, place = (len(longest), rules.groups), home(longest.device)
        wanted = min(rules.n_best, rules.width)
        self.ranks = torch.full((*shape, wanted), -inf, dtype=torch.float64, device=place)
        self.finished = torch.zeros(shape, dtype=torch.long, device=place)
        lengths = range(1, int(longest.max()) + 1)
        divisors = [1.0, *map(rules.divisor, lengths)]  # by length; nothing has length 0
        self.divisors = torch.tensor(divisors, dtype=torch.float64, device=place)

    def add(
        self,
        found: Candidates,
        which: Bool[Tensor, "sentences groups candidates"],
        beam: BeamState,
        step: int,
    ) -> None:
        """Add the candidates where `which` is True; `beam` has their parents, its coverage includes this step."""
        if not bool(which.any()):
            return
        divisor, score = self.divisors[step + 1], in_float64(found.score)
        cost = self._coverage_penalty(found, beam)
        rank = score / divisor + cost
        at = which.nonzero(as_tuple=True)
        self.ended.append(
            Ended(
                sentence=beam.sentences[at[0]],
                group=at[1],
                step=torch.full_like(at[0], step),
                parent=found.parent[at],
                token=found.token[at],
                token_score=found.token_score[at],
                score=found.score[at],
                rank=rank[tuple(part.to(rank.device) for part in at)],
            )
        )
        new = (which & (found.token == EOS)).to(rank.device)
        sentences = beam.sentences.to(rank.device)
        ranks = torch.cat([self.ranks[sentences], rank.masked_fill(~new, -inf)], dim=-1)
        self.ranks[sentences] = ranks.topk(self.ranks.shape[-1], dim=-1).values
        self.finished[sentences] += new.sum(dim=-1)

    def _coverage_penalty(
        self, found: Candidates, beam: BeamState
    ) -> Float[Tensor, "sentences groups candidates"] | float:
        """Return beta x sum over source tokens of log min(attention received, 1) (Wu et al. 2016)."""
        if not self.rules.coverage:
            return 0.0
        coverage = beam.coverage[found.parent]
        places = torch.arange(coverage.shape[-1], device=coverage.device)
        real = places < beam.source_lengths.view(-1, 1, 1, 1)
        cost = coverage.clamp(LEAST_COVERAGE, 1.0).log().masked_fill(~real, 0.0)
        return in_float64(self.rules.coverage * cost.sum(dim=-1))

    def is_done(
        self,
        sentences: Int[Tensor, " sentences"],
        best_score: Float[Tensor, "sentences groups"],
        now: int,
        longest: Int[Tensor, " sentences"],
    ) -> Bool[Tensor, "sentences groups"]:
        """Return whether no live hypothesis of a group can still be among the n best.

        `best_score` is that of the best live one, which has `now` tokens; -inf if none lives. Once patience x width
        hypotheses have ended, it is enough that none is among the n best as it stands: a leader is never dropped for
        what ended earlier.
        """
        sentences, longest = sentences.to(self.ranks.device), longest.to(self.ranks.device)
        is_enough = self.finished[sentences] >= self.rules.patience * self.rules.width
        length = longest.unsqueeze(1).masked_fill(is_enough, now)
        last = self.ranks[sentences, :, -1]  # -inf as long as too few have finished
        done = last >= in_float64(best_score) / self.divisors[length]
        if self.rules.width == 1:
            done |= is_enough  # one path: it ends where its best token is the end
        return done.to(best_score.device)

    def finalize(self, trace: Trace) -> list[list[Hypothesis]]:
        """Return the n best of each sentence, no string twice."""
        ends = Ended.join(self.ended).best(self.rules.n_best * self.rules.groups)
        pairs = zip(ends.sentence.tolist(), trace.read(ends), strict=True)
        return [
            self._different([one for _, one in found])
            for _, found in groupby(pairs, lambda p: p[0])
        ]

    def _different(self, found: list[Hypothesis]) -> list[Hypothesis]:
        if self.rules.groups > 1:  # two groups may write the same string
            by_string: dict[tuple[int, ...], Hypothesis] = {}
            for one in found:
                by_string.setdefault((*one.tokens.tolist(), one.finished), one)
            found = list(by_string.values())
        return found[: self.rules.n_best]
