"""The interface of a search: decoder state and step, request and hypotheses."""

from dataclasses import dataclass
from typing import Any, Protocol

from jaxtyping import Float, Int
from torch import Tensor


class State(Protocol):
    """The methods of a decoder state that a search needs; the rows of a sentence's hypotheses are side by side."""

    @property
    def attention(self) -> Tensor:
        """The weights of the latest step (rows, source); width 0 without attention."""
        ...

    def reorder(self, rows: Tensor) -> Any:
        """Return the state of these hypotheses, equally many for each sentence."""
        ...

    def select(self, sentences: Tensor) -> Any:
        """Return the state of these sentences with all their hypotheses."""
        ...


class Step(Protocol):
    """One decoder step: (one token per row, state) -> (logits, new state)."""

    def __call__(self, token: Tensor, state: Any, /) -> tuple[Tensor, Any]:
        """Read one token per row."""
        ...


@dataclass(frozen=True)
class Request:
    """The sentences of a batch for a search.

    `numbers` are their places in the whole input: they seed sampling, so that no draw depends on batch mates.
    `prefixes` are the ids that each output must start with (none: empty lists).
    """

    source_lengths: Int[Tensor, " batch"]
    numbers: Int[Tensor, " batch"]
    prefixes: list[list[int]]


@dataclass(frozen=True)
class Hypothesis:
    """One output: its tokens without the end token, and whether the end token came within the limit.

    `token_scores` are the log-probabilities of the tokens, the end token included where it came; `score` is their
    sum, and `rank` the value by which the search orders hypotheses (the score with its penalties). `attention` has a
    row for every produced token, the end token included (width 0 without attention).
    """

    tokens: Int[Tensor, " target"]
    token_scores: Float[Tensor, " steps"]
    score: float
    rank: float
    finished: bool
    attention: Float[Tensor, "steps source"]


class Search(Protocol):
    """A search with its settings, as `conf/decoding` builds it."""

    replace_unknown: bool
    intervention: Any  # an Intervention, or None

    def __call__(self, step: Step, state: State, request: Request) -> list[list[Hypothesis]]:
        """Return the hypotheses of each sentence, best first, at least one."""
        ...
