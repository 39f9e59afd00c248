"""Greedy search: the most likely token at each step, until the end token or the sentence's own limit."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq_lab.decoding.hypotheses import Hypothesis, State, Step
from seq2seq_lab.special_tokens import BOS, EOS


def greedy(
    step: Step,
    state: State,
    max_lengths: Int[Tensor, " batch"],
) -> list[Hypothesis]:
    """Decode every row on its own. `max_lengths` (>= 1) limits the tokens of each row, end token included.

    Rows leave the batch when they end, so a long sentence costs its batch mates nothing and none depends on another.
    """
    count = len(max_lengths)
    device = state.attention.device
    rows = torch.arange(count, device=device)
    limits = max_lengths.to(device)
    token = torch.full((count,), BOS, dtype=torch.long, device=device)
    history: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    length = 0
    while len(rows):
        logits, state = step(token, state)
        score, token = torch.log_softmax(logits, dim=-1).max(dim=-1)
        history.append((rows, token, score, state.attention))
        length += 1
        going = (token != EOS) & (limits > length)
        if not bool(going.all()):
            keep = going.nonzero().squeeze(1)
            rows, limits, token = rows[keep], limits[keep], token[keep]
            state = state.select(keep)
    return _collect(history, count)


def _collect(history: list[tuple[Tensor, Tensor, Tensor, Tensor]], count: int) -> list[Hypothesis]:
    """Sort the steps' results to their rows."""
    tokens: list[list[int]] = [[] for _ in range(count)]
    scores = [0.0] * count
    attention: list[list[Float[Tensor, " source"]]] = [[] for _ in range(count)]
    for rows, token, score, weights in history:
        parts = zip(rows.tolist(), token.tolist(), score.tolist(), weights.cpu(), strict=True)
        for row, one, value, weight in parts:
            tokens[row].append(one)
            scores[row] += value
            attention[row].append(weight)
    return [
        Hypothesis(
            tokens=torch.tensor([t for t in one if t != EOS], dtype=torch.long),
            score=score,
            finished=one[-1] == EOS,
            attention=torch.stack(rows),
        )
        for one, score, rows in zip(tokens, scores, attention, strict=True)
    ]


@dataclass(frozen=True)
class Greedy:
    """Greedy search with a limit for each sentence of `max_ratio` x source tokens + `max_extra`."""

    max_ratio: float = 3.0
    max_extra: int = 10

    def __post_init__(self) -> None:
        if self.max_ratio < 0:
            raise ValueError(f"max_ratio={self.max_ratio}: must be >= 0")
        if self.max_extra < 1:
            raise ValueError(
                f"max_extra={self.max_extra}: must be >= 1, or nothing could be written"
            )

    def __call__(
        self, step: Step, state: State, source_lengths: Int[Tensor, " batch"]
    ) -> list[Hypothesis]:
        """Decode; the source lengths set the limits."""
        limits = (source_lengths * self.max_ratio).long() + self.max_extra
        return greedy(step, state, limits)
