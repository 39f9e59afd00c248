"""Backpointers of a beam search: parent, token and score of every row at every step."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq_lab.decoding.hypotheses import Hypothesis
from seq2seq_lab.special_tokens import EOS


@dataclass(frozen=True)
class Ended:
    """A hypothesis that ended: `token` continued the live row `parent` at `step`."""

    step: int
    parent: int
    token: int
    token_score: float
    score: float
    rank: float

    @property
    def finished(self) -> bool:
        """Whether its last token is the end token; if not, it was cut at its limit."""
        return self.token == EOS

    @property
    def order(self) -> tuple[bool, float]:
        """Sort by this, descending: a cut hypothesis comes after every finished one."""
        return self.finished, self.rank


@dataclass
class Trace:
    """By step: the attention weights of the rows, and parent, token and log-probability of each row that goes on."""

    attention: list[Float[Tensor, "parents source"]] = field(default_factory=list)
    parents: list[list[int]] = field(default_factory=list)
    tokens: list[list[int]] = field(default_factory=list)
    scores: list[list[float]] = field(default_factory=list)

    def append(
        self,
        parents: Int[Tensor, " rows"],
        tokens: Int[Tensor, " rows"],
        scores: Float[Tensor, " rows"],
    ) -> None:
        """Add a step: the rows that go on."""
        self.parents.append(parents.tolist())
        self.tokens.append(tokens.tolist())
        self.scores.append(scores.tolist())

    def read(self, end: Ended) -> Hypothesis:
        """Return the hypothesis that ended there."""
        tokens, scores = [end.token], [end.token_score]
        attention, row = [self.attention[end.step][end.parent]], end.parent
        for step in range(end.step - 1, -1, -1):
            tokens.append(self.tokens[step][row])
            scores.append(self.scores[step][row])
            row = self.parents[step][row]
            attention.append(self.attention[step][row])
        written = tokens[:0:-1] if end.finished else tokens[::-1]
        return Hypothesis(
            tokens=torch.tensor(written, dtype=torch.long),
            token_scores=torch.tensor(scores[::-1]),
            score=end.score,
            rank=end.rank,
            finished=end.finished,
            attention=torch.stack(attention[::-1]).cpu(),
        )
