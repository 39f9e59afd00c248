"""Backpointers of a beam search: parent, token and score of every row at every step."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq_lab.decoding.hypotheses import Hypothesis
from seq2seq_lab.special_tokens import EOS


@dataclass(frozen=True)
class Ended:
    """Hypotheses that ended: `token` continued the live row `parent` at `step`; `rank` orders those of a sentence."""

    sentence: Int[Tensor, " ended"]
    group: Int[Tensor, " ended"]
    step: Int[Tensor, " ended"]
    parent: Int[Tensor, " ended"]
    token: Int[Tensor, " ended"]
    token_score: Float[Tensor, " ended"]
    score: Float[Tensor, " ended"]
    rank: Float[Tensor, " ended"]

    @property
    def finished(self) -> Bool[Tensor, " ended"]:
        """Whether the last token is the end token; if not, the hypothesis was cut at its limit."""
        return self.token == EOS

    def __getitem__(self, places: Int[Tensor, " picked"]) -> "Ended":
        """Return those at these places."""
        return Ended(**{name: part[places] for name, part in vars(self).items()})

    @classmethod
    def join(cls, parts: list["Ended"]) -> "Ended":
        """Return all of them on the CPU, in the order in which they ended."""
        names = vars(parts[0])
        return cls(
            **{name: torch.cat([getattr(one, name) for one in parts]).cpu() for name in names}
        )

    def best(self, count: int) -> "Ended":
        """Return the `count` best of each sentence, best first; one that was cut comes after every finished one."""
        order = torch.arange(len(self.step)).flip(0)  # of equal ranks the last
        keys = (-self.group, -self.rank, 2 * self.sentence + (~self.finished))
        for key in keys:
            order = order[key[order].sort(stable=True).indices]
        sentences = self.sentence[order]
        place = torch.arange(len(order)) - torch.searchsorted(sentences, sentences)
        return self[order[place < count]]


@dataclass
class Trace:
    """By step: the attention weights of the rows, and parent, token and log-probability of each row that goes on."""

    attention: list[Float[Tensor, "parents source"]] = field(default_factory=list)
    parents: list[Int[Tensor, " rows"]] = field(default_factory=list)
    tokens: list[Int[Tensor, " rows"]] = field(default_factory=list)
    scores: list[Float[Tensor, " rows"]] = field(default_factory=list)

    def append(
        self,
        parents: Int[Tensor, " rows"],
        tokens: Int[Tensor, " rows"],
        scores: Float[Tensor, " rows"],
    ) -> None:
        """Add a step: the rows that go on."""
        self.parents.append(parents)
        self.tokens.append(tokens)
        self.scores.append(scores)

    def read(self, ends: Ended) -> list[Hypothesis]:
        """Return the hypotheses that ended there."""
        token, score, row = ends.token, ends.token_score, ends.parent
        tokens, scores, weights = [], [], []
        for step in range(int(ends.step.max()), -1, -1):
            goes_on = ends.step > step
            if bool(goes_on.any()):
                at = torch.where(goes_on, row, 0)
                before = (self.tokens[step], self.scores[step], self.parents[step])
                token_before, score_before, parent = (part.cpu()[at] for part in before)
                token = torch.where(goes_on, token_before, ends.token)
                score = torch.where(goes_on, score_before, ends.token_score)
                row = torch.where(goes_on, parent, ends.parent)
            tokens.append(token)
            scores.append(score)
            # of a hypothesis that ended before this step any row will do
            attention = self.attention[step]
            at = row.where(ends.step >= step, 0).to(attention.device)
            weights.append(attention[at])
        parts = [torch.stack(part[::-1], dim=1).cpu() for part in (tokens, scores, weights)]
        return _hypotheses(ends, *parts)


def _hypotheses(
    ends: Ended,
    tokens: Int[Tensor, "ended steps"],
    scores: Float[Tensor, "ended steps"],
    attention: Float[Tensor, "ended steps source"],
) -> list[Hypothesis]:
    numbers = zip(
        (ends.step + 1).tolist(),
        ends.finished.tolist(),
        ends.score.tolist(),
        ends.rank.tolist(),
        strict=True,
    )
    return [
        Hypothesis(
            tokens=tokens[place, : length - finished],
            token_scores=scores[place, :length],
            score=score,
            rank=rank,
            finished=finished,
            attention=attention[place, :length],
        )
        for place, (length, finished, score, rank) in enumerate(numbers)
    ]
