"""A model whose cross-attention weights are replaced while it decodes; the model itself is not changed.

`Intervened` has the methods of an `EncoderDecoder` that a search needs. It holds a copy of the model that shares its
parameters, and a `Exchange` in each cross-attention of the copy. The attention's own past (coverage, location)
and `state.attention` hold the replaced weights: they are the ones that were used.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq_lab.model.encoder_decoder import Stepper
from seq2seq_lab.model.ensemble import EnsembleState

Replace = Callable[[Tensor, Tensor], Tensor]
"""(weights, mask) -> weights"""


class Exchange:
    """What one cross-attention does with its weights in the current step; it notes the weights that were used."""

    def __init__(self) -> None:
        self.replace: Replace | None = None
        self.used: Tensor | None = None

    def __call__(
        self, weights: Float[Tensor, "batch rows source"], mask: Bool[Tensor, "batch source"]
    ) -> Float[Tensor, "batch rows source"]:
        """Return the weights to use."""
        self.used = weights if self.replace is None else self.replace(weights, mask)
        return self.used


@dataclass(frozen=True)
class IntervenedState(EnsembleState):
    """The model's state, that of the other model where there is one, and `order`, one row per sentence."""

    order: Int[Tensor, "batch source"]

    def select(self, sentences: Int[Tensor, " sentences"]) -> Self:
        """Return the state of these sentences."""
        return replace(super().select(sentences), order=self.order.index_select(0, sentences))


def changeable(model: nn.Module) -> tuple[nn.Module, list[Exchange]]:
    """Return a copy of the model that shares its parameters and buffers, and the changes in its cross-attentions."""
    shared = {id(tensor): tensor for tensor in [*model.parameters(), *model.buffers()]}
    copied, changes = copy.deepcopy(model, shared), []
    for part in copied.modules():
        change_weights: Any = getattr(part, "change_weights", None)
        if change_weights is not None:
            changes.append(Exchange())
            change_weights(changes[-1])
    return copied, changes


class Intervened(nn.Module):
    """The model under an intervention (`decoding/intervention.py`).

    With `other` the weights are those that this model computes for the same prefix.
    """

    def __init__(self, model: nn.Module, intervention: Any, other: nn.Module | None = None):
        super().__init__()
        self.intervention = intervention
        own, self.changes = changeable(model)
        models = [own]
        self.source_of_weights: list[Exchange] = []
        if other is not None:
            second, self.source_of_weights = changeable(other)
            models.append(second)
            if len(self.source_of_weights) != len(self.changes):
                raise ValueError("the other model has another number of attentions")
        self.members: Any = nn.ModuleList(models)

    def encode(self, source: Int[Tensor, "batch source"], lengths: Int[Tensor, " batch"]) -> Any:
        """Return the memory of each model, and the order of each sentence."""
        order = self.intervention.order(source, lengths).to(source.device)
        return tuple(member.encode(source, lengths) for member in self.members), order

    def initial_state(self, memory: Any) -> IntervenedState:
        """Return the state before the first step."""
        states = [one.initial_state(own) for one, own in zip(self.members, memory[0], strict=True)]
        return IntervenedState(states[0].attention, tuple(states), memory[1])

    def step(
        self, token: Int[Tensor, " rows"], state: IntervenedState
    ) -> tuple[Float[Tensor, "rows vocab"], IntervenedState]:
        """Read one token per hypothesis; return the logits of the next one and the new state."""
        return self._step([member.step for member in self.members], token, state)

    def stepper(self) -> Stepper:
        """Return `step` for a whole search: the weights of each model are packed once."""
        steppers = [member.stepper() for member in self.members]
        return lambda token, state: self._step(steppers, token, state)

    def _step(
        self, steps: list[Stepper], token: Tensor, state: IntervenedState
    ) -> tuple[Tensor, IntervenedState]:
        """Step the other model first, whose weights the first one then uses."""
        order = state.order
        for change in self.changes:
            change.used = None
            change.replace = partial(_replaced, self.intervention, order)
        others = [
            step(token, one)[1] for step, one in zip(steps[1:], state.members[1:], strict=True)
        ]
        for change, given in zip(self.changes, self.source_of_weights, strict=False):
            change.replace = partial(_given, given)
        logits, new = steps[0](token, state.members[0])
        if not self.changes or any(change.used is None for change in self.changes):
            raise ValueError(
                "decoding.intervention: this model has no attention weights to replace"
            )
        return logits, IntervenedState(new.attention, (new, *others), order)


def _replaced(intervention: Any, order: Tensor, weights: Tensor, mask: Tensor) -> Tensor:
    return intervention.replace(weights, mask, order)


def _given(source: Exchange, weights: Tensor, mask: Tensor) -> Tensor:  # noqa: ARG001
    if source.used is None or source.used.shape != weights.shape:
        raise ValueError("decoding.intervention=other_seed: the other model has other weights")
    return source.used
