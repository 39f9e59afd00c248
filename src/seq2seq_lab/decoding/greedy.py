"""Greedy search: the most likely token at each step, until the end token or the sentence's own limit."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq_lab.decoding.hypotheses import Hypothesis, Request, State, Step
from seq2seq_lab.decoding.limits import Limits, SearchSettings
from seq2seq_lab.decoding.top import largest
from seq2seq_lab.special_tokens import BOS, EOS

Choices = tuple[Tensor, Tensor, Tensor, Tensor]
"""One step: sentences, their tokens, log-probabilities and attention weights."""

Choose = Callable[[Tensor, Tensor, Limits, Tensor], tuple[Tensor, Tensor]]
"""(logits, sentences, limits, history) -> (tokens of this step, their log-probabilities)"""


def one_path(step: Step, state: State, limits: Limits, choose: Choose) -> list[Hypothesis]:
    """Decode one hypothesis per sentence; `choose` picks each token.

    Rows leave the batch when they end, so no sentence depends on its batch mates.
    """
    count = len(limits.maximum)
    rows = torch.arange(count, device=limits.maximum.device)
    history = rows.new_zeros(count, 0)
    token = torch.full_like(rows, BOS)
    choices: list[Choices] = []
    while len(rows):
        logits, state = step(token, state)
        token, score = choose(logits, rows, limits, history)
        choices.append((rows, token, score, state.attention))
        history = torch.cat([history, token.unsqueeze(1)], dim=1)
        going = (token != EOS) & (limits.maximum > history.shape[1])
        if not bool(going.all()):
            going = going.nonzero().squeeze(1)
            rows, token, history = rows[going], token[going], history[going]
            state, limits = state.select(going), limits.select(going)
    return collect(choices, count)


def most_likely_token(
    logits: Float[Tensor, "rows vocab"],
    rows: Int[Tensor, " rows"],  # noqa: ARG001
    limits: Limits,
    history: Int[Tensor, "rows steps"],
) -> tuple[Int[Tensor, " rows"], Float[Tensor, " rows"]]:
    """Return the most likely token that the limits allow, and its log-probability."""
    scores = logits.log_softmax(dim=-1)  # before the rules: they never change a probability
    best, token = largest(limits.apply_(scores, history))
    return token, best


def greedy(step: Step, state: State, limits: Limits) -> list[Hypothesis]:
    """Decode every sentence by its most likely token at each step."""
    return one_path(step, state, limits, most_likely_token)


def collect(choices: list[Choices], count: int) -> list[Hypothesis]:
    """Return the hypothesis of each sentence from the choices of all steps."""
    _, first, first_scores, first_weights = choices[0]
    tokens = first.new_full((count, len(choices)), EOS)
    token_scores = first_scores.new_zeros(count, len(choices))
    attention = first_weights.new_zeros(count, len(choices), first_weights.shape[1])
    lengths = first.new_zeros(count)
    for step, (rows, token, score, weights) in enumerate(choices):
        tokens[rows, step], token_scores[rows, step], attention[rows, step] = token, score, weights
        lengths[rows] += 1
    parts = [part.cpu() for part in (tokens, token_scores, attention)]
    found = []
    for ids, values, weights, length in zip(*parts, lengths.tolist(), strict=True):
        finished, score = int(ids[length - 1]) == EOS, sum(values[:length].tolist())
        found.append(
            Hypothesis(
                tokens=ids[: length - finished],
                token_scores=values[:length],
                score=score,
                rank=score,
                finished=finished,
                attention=weights[:length],
            )
        )
    return found


@dataclass(frozen=True, kw_only=True)
class Greedy(SearchSettings):
    """Greedy search."""

    def __call__(self, step: Step, state: State, request: Request) -> list[list[Hypothesis]]:
        """Return one hypothesis for each sentence."""
        limits = self.limits(request, state.attention.device)
        return [[found] for found in greedy(step, state, limits)]
