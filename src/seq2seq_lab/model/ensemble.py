"""An ensemble of models: at each step the mean of their probabilities."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seq2seq_lab.model.encoder_decoder import Stepper
from seq2seq_lab.model.state import DecoderState, Memory


def log_mean_probability(logits: Sequence[Float[Tensor, "rows vocab"]]) -> Tensor:
    """Return the log of the mean probability over the members, (rows, vocab)."""
    stacked = torch.stack([one.log_softmax(dim=-1) for one in logits])
    return stacked.logsumexp(dim=0) - math.log(len(logits))


def mean_attention(weights: Sequence[Float[Tensor, "rows _"]]) -> Tensor:
    """Return the mean weights (rows, source); width 0 where the members' source positions differ."""
    if len({one.shape for one in weights}) > 1:
        return weights[0].new_zeros(weights[0].shape[0], 0)
    return torch.stack(list(weights)).mean(dim=0)


@dataclass(frozen=True)
class EnsembleState(DecoderState):
    """The states of the members, each with a `source` of its own; `attention` is the mean of their weights."""

    attention: Float[Tensor, "rows weights"]
    members: tuple[Any, ...]

    @property
    def width(self) -> int:
        """The number of hypotheses per sentence."""
        return self.members[0].width

    def reorder(self, rows: Int[Tensor, " rows"]) -> Self:
        """Return the state of these hypotheses in every member."""
        members = tuple(one.reorder(rows) for one in self.members)
        return replace(self, attention=self.attention.index_select(0, rows), members=members)

    def select(self, sentences: Int[Tensor, " sentences"]) -> Self:
        """Return the state of these sentences in every member."""
        within = torch.arange(self.width, device=sentences.device)
        rows = (sentences.unsqueeze(1) * self.width + within).flatten()
        members = tuple(one.select(sentences) for one in self.members)
        return replace(self, attention=self.attention.index_select(0, rows), members=members)


class Ensemble(nn.Module):
    """Several models with the same vocabularies, with the methods of an `EncoderDecoder` that a search needs."""

    def __init__(self, members: list[nn.Module]):
        super().__init__()
        if not members:
            raise ValueError("members=[]: an ensemble needs one model at least")
        self.members: Any = nn.ModuleList(members)

    def encode(
        self, source: Int[Tensor, "batch source"], lengths: Int[Tensor, " batch"]
    ) -> tuple[Memory, ...]:
        """Return the memory of each member."""
        return tuple(member.encode(source, lengths) for member in self.members)

    def initial_state(self, memory: tuple[Memory, ...]) -> EnsembleState:
        """Return the state before the first step."""
        pairs = zip(self.members, memory, strict=True)
        return self._state([member.initial_state(one) for member, one in pairs])

    def step(
        self, token: Int[Tensor, " rows"], state: EnsembleState
    ) -> tuple[Float[Tensor, "rows vocab"], EnsembleState]:
        """Read one token per hypothesis; return log mean probabilities as logits, and the new state."""
        return self._step([member.step for member in self.members], token, state)

    def stepper(self) -> Stepper:
        """Return `step` for a whole search: the weights of each member are packed once."""
        steppers = [member.stepper() for member in self.members]
        return lambda token, state: self._step(steppers, token, state)

    def _step(self, steps: list[Stepper], token: Tensor, state: Any) -> tuple[Tensor, Any]:
        pairs = zip(steps, state.members, strict=True)
        found = [step(token, one) for step, one in pairs]
        logits = log_mean_probability([logits for logits, _ in found])
        return logits, self._state([new for _, new in found])

    def _state(self, members: list[Any]) -> EnsembleState:
        attention = mean_attention([one.attention for one in members])
        return EnsembleState(attention=attention, members=tuple(members))
