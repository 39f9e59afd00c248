"""Sampling: each token is drawn from the model's distribution, after temperature, top-k and top-p.

A draw is a uniform number for one (seed, sentence, sample, step), so it depends neither on batch mates nor on their
order.
"""

from dataclasses import dataclass
from math import inf

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq_lab.decoding.greedy import one_path
from seq2seq_lab.decoding.hypotheses import Hypothesis, Request, State, Step
from seq2seq_lab.decoding.limits import Limits, SearchSettings
from seq2seq_lab.float64 import home, in_float64

_MIX = 2654435761  # a large odd number, so that neighbouring sentences start far apart


def keep_top_k(logits: Float[Tensor, "rows vocab"], k: int) -> Float[Tensor, "rows vocab"]:
    """Set all but the k largest logits of each row to -inf (Fan et al. 2018)."""
    top = logits.topk(min(k, logits.shape[-1]), dim=-1).indices
    return torch.full_like(logits, -inf).scatter(1, top, logits.gather(1, top))


def keep_top_p(logits: Float[Tensor, "rows vocab"], p: float) -> Float[Tensor, "rows vocab"]:
    """Keep the fewest most likely tokens whose probabilities reach p, at least one (Holtzman et al. 2020)."""
    ordered, places = logits.sort(dim=-1, descending=True, stable=True)
    probabilities = ordered.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    return torch.full_like(logits, -inf).scatter(1, places, ordered.masked_fill(before >= p, -inf))


def draw(
    logits: Float[Tensor, "rows vocab"], uniform: Float[Tensor, " rows"]
) -> Int[Tensor, " rows"]:
    """Return a token per uniform number from [0, 1): the inverse of the cumulative distribution."""
    cumulated = in_float64(logits).softmax(dim=-1).cumsum(dim=-1)
    # scaled to the last sum, so that rounding never leaves a draw beyond it; `right` skips tokens of probability 0
    point = (uniform.to(cumulated, non_blocking=True) * cumulated[:, -1]).unsqueeze(1)
    return torch.searchsorted(cumulated, point, right=True).squeeze(1).to(logits.device)


def uniforms(seed: int, numbers: list[int], steps: int) -> Float[Tensor, "rows steps"]:
    """Return the uniform numbers of these samples, from a generator for each."""
    rows = [
        torch.rand(
            steps,
            generator=torch.Generator().manual_seed((seed * _MIX + number) % 2**63),
            dtype=torch.float64,
        )
        for number in numbers
    ]
    return torch.stack(rows)


@dataclass(frozen=True, kw_only=True)
class Sample(SearchSettings):
    """Draws `n_best` outputs for each sentence, sorted by log-probability.

    `temperature` divides the logits; `top_k` keeps the k most likely tokens (0: all), `top_p` the fewest that reach
    this probability (1: all). Scores are log-probabilities of the model itself, without temperature and cuts.
    """

    n_best: int = 1
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_best < 1:
            raise ValueError(f"n_best={self.n_best}: must be >= 1")
        if self.temperature <= 0:
            raise ValueError(
                f"temperature={self.temperature}: must be > 0; use decoding=greedy for the most likely token"
            )
        if self.top_k < 0:
            raise ValueError(f"top_k={self.top_k}: must be >= 0; 0 keeps all tokens")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p={self.top_p}: must be in (0, 1]; 1 keeps all tokens")

    def cut(self, logits: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows vocab"]:
        """Return the logits to draw from."""
        logits = logits / self.temperature
        if self.top_k:
            logits = keep_top_k(logits, self.top_k)
        return keep_top_p(logits, self.top_p) if self.top_p < 1 else logits

    def __call__(self, step: Step, state: State, request: Request) -> list[list[Hypothesis]]:
        """Return the samples of each sentence, the most likely first."""
        limits = self.limits(request, state.attention.device)
        samples = [self._once(step, state, limits, request, i) for i in range(self.n_best)]
        by_sentence = zip(*samples, strict=True)
        return [sorted(found, key=lambda one: -one.score) for found in by_sentence]

    def _once(
        self, step: Step, state: State, limits: Limits, request: Request, sample: int
    ) -> list[Hypothesis]:
        """Draw one output for each sentence."""
        numbers = [number * self.n_best + sample for number in request.numbers.tolist()]
        place = home(limits.maximum.device)
        chances = uniforms(self.seed, numbers, int(limits.maximum.max())).to(place)

        def choose(
            logits: Tensor, rows: Tensor, limits: Limits, history: Tensor
        ) -> tuple[Tensor, Tensor]:
            total, own = logits.logsumexp(dim=-1), logits.clone()
            cut = self.cut(limits.apply_(logits, history))
            token = draw(cut, chances[rows.to(place), history.shape[1]])
            return token, own.gather(1, token.unsqueeze(1)).squeeze(1) - total

        return one_path(step, state, limits, choose)
