"""Properties O9 and O10: attention weights are a distribution over real source tokens, and equal their formula."""

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seq2seq_lab.batch import Batch
from seq2seq_lab.doctor.agreement import NotApplicable, PropertyBroken, agree, demand
from seq2seq_lab.doctor.attention_formulas import Formula, formula_of
from seq2seq_lab.doctor.paths import by_steps
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.state import Memory

WITHOUT = "this model has no attention"


def attention_is_a_distribution(model: EncoderDecoder, batch: Batch) -> float:
    """O9: weights sum to 1, are exactly 0 on padding, and a source of one token gets all of them."""
    with torch.no_grad():
        logits, weights = by_steps(model, batch)
    if not weights.shape[-1]:
        raise NotApplicable(WITHOUT)
    demand(logits.isfinite().all(), "logits that are not finite")
    demand((weights >= 0).all(), "negative weights")
    padding = ~batch.source_mask.unsqueeze(1).expand_as(weights)
    demand(not weights[padding].any(), "weight on padding")
    worst = agree(weights.sum(dim=-1), torch.ones_like(weights[..., 0]), "sum of weights")
    single = weights[batch.source_lengths == 1][..., 0]
    worst = max(worst, agree(single, torch.ones_like(single), "weight of an only token"))
    _refuses_a_row_without_tokens(model, batch)
    return worst


def _refuses_a_row_without_tokens(model: EncoderDecoder, batch: Batch) -> None:
    memory = model.encode(batch.source, batch.source_lengths)
    first = torch.arange(len(batch)).unsqueeze(1) == 0
    try:
        model.initial_state(replace(memory, mask=memory.mask & ~first))
    except ValueError:
        return
    raise PropertyBroken("a source without any real token is not refused")


def attention_equals_its_formula(model: EncoderDecoder, batch: Batch) -> float:
    """O10: weights and contexts equal a loop over floats, where the formula is known, and gradients are right."""
    with torch.no_grad():
        memory = model.encode(batch.source, batch.source_lengths)
        state = model.initial_state(memory)
        _, state = model.step(batch.target_input[:, 0], state)
    if not state.attention.shape[-1]:
        raise NotApplicable(WITHOUT)
    gradients_are_right(model, memory, batch.target_input[:, :2])
    attention: Any = getattr(model.decoder, "attention", None)
    formula = None if attention is None else formula_of(attention)
    if formula is None:
        return 0.0
    generator = torch.Generator().manual_seed(7)
    size = (len(batch), 3, model.decoder.dim)
    query = torch.randn(*size, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        return equals_the_formula(attention, formula, memory, query)


def equals_the_formula(
    attention: Any, formula: Formula, memory: Memory, query: Float[Tensor, "batch steps query"]
) -> float:
    """Compare weights and contexts with a loop over floats, sentence by sentence."""
    contexts, weights = attention.sequence(query, attention.prepare(memory))
    worst = 0.0
    for row, length in enumerate(memory.mask.sum(dim=1).tolist()):
        expected = formula(attention, query[row].tolist(), memory.states[row, :length].tolist())
        for step, pair in enumerate(expected):
            found = (weights[row, step, :length].tolist(), contexts[row, step].tolist())
            worst = max(worst, agree(found, pair, "weights and context"))
    return worst


class _FromStates(nn.Module):
    """All readouts as a function of the encoder's states, the rest of the memory being fixed."""

    def __init__(self, decoder: nn.Module, memory: Memory, target_input: Tensor):
        super().__init__()
        self.decoder: Any = decoder
        self.memory, self.target_input = memory, target_input

    def forward(self, states: Tensor) -> Tensor:
        embedded = self.decoder.embed(self.target_input)
        return self.decoder.readouts(embedded, replace(self.memory, states=states))


def gradients_are_right(model: EncoderDecoder, memory: Memory, target_input: Tensor) -> None:
    """Compare the gradients of the decoder's parameters and of the encoder's states with finite differences."""
    module = _FromStates(model.decoder, memory, target_input)

    def function(states: Tensor, *_parameters: Tensor) -> Tensor:
        return module(states)  # `gradcheck` changes the decoder's own parameters in place, and back

    leaves = [memory.states.detach().clone().requires_grad_(), *module.parameters()]
    try:
        torch.autograd.gradcheck(function, leaves, fast_mode=True)
    except RuntimeError as error:  # torch.autograd.gradcheck.GradcheckError
        raise PropertyBroken(f"a wrong gradient: {str(error).splitlines()[0]}") from error
