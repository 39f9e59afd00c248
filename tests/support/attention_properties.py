"""The properties of an attention, each a function that raises AssertionError where a class breaks it."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seq2seq_lab.config.signature import signature_of
from seq2seq_lab.doctor.attention_formulas import Formula
from seq2seq_lab.model.attention import Attention, NoAttention
from seq2seq_lab.model.state import AttentionKeys, Memory
from support.model_properties import assert_equal
from support.tiny_models import class_of, construct, dials, nodes

LENGTHS = torch.tensor([5, 2, 3])
STEPS, WIDTH = 7, 6
NODES = nodes("attention")
NORMALIZERS = nodes("normalizer")
ATTENDING = {name: node for name, node in NODES.items() if class_of(node) is not NoAttention}
TEMPERED = [n for n, node in ATTENDING.items() if "temperature" in node]


def takes_a_normalizer(name: str) -> bool:
    return "normalizer" in signature_of(NODES[name]["_target_"]).arguments


PARTS = [
    (name, normalizer)
    for name in ATTENDING
    for normalizer in (NORMALIZERS if takes_a_normalizer(name) else [None])
]
EVERY = pytest.mark.parametrize("name", list(ATTENDING))
EVERY_PAIR = pytest.mark.parametrize(("name", "normalizer"), PARTS)
"""All attentions, each with all normalizers that it takes."""


def make(name: str, normalizer: str | None = None, **arguments: Any) -> Attention:
    """Return the attention of a yaml file with large random weights."""
    if normalizer is not None:
        arguments["normalizer"] = construct(NORMALIZERS[normalizer], {})
    return randomized(construct(NODES[name] | arguments, dials(encoder=WIDTH, decoder=WIDTH)))


def randomized(module: Attention) -> Attention:
    for parameter in module.double().parameters():
        nn.init.normal_(parameter)
    return module


def make_memory(lengths: Tensor = LENGTHS) -> Memory:
    width = int(lengths.max())
    states = torch.randn(len(lengths), width, WIDTH, dtype=torch.float64)
    mask = torch.arange(width) < lengths.unsqueeze(1)
    return Memory(states, mask, states[:, :1], states[:, :1, :0])


def queries(rows: int = 3) -> Tensor:
    return torch.randn(rows, STEPS, WIDTH, dtype=torch.float64)


def weights_are_a_distribution_over_real_positions(attention: Attention) -> None:
    """O9: rows are >= 0, sum to 1 and are exactly 0 on padding."""
    memory = make_memory()
    _, weights = attention.sequence(queries(), attention.prepare(memory))
    assert_equal(weights.sum(dim=-1), torch.ones(3, STEPS, dtype=torch.float64))
    assert bool((weights >= 0).all())
    padding = ~memory.mask.unsqueeze(1).expand_as(weights)
    assert not weights[padding].any()


def one_step_at_a_time(
    attention: Attention, query: Tensor, keys: AttentionKeys
) -> tuple[Tensor, Tensor]:
    """Attend as decoding does: one query at a time, with the past weights of the steps before."""
    past, results = attention.start(keys), []
    for now in query.split(1, dim=1):
        results.append(attention(now, keys, past.unsqueeze(1)))
        past = attention.advance(past, results[-1][1][:, 0])
    contexts, weights = zip(*results, strict=True)
    return torch.cat(contexts, dim=1), torch.cat(weights, dim=1)


def all_steps_at_once_equal_one_at_a_time(attention: Attention) -> None:
    """O6 for attention: `sequence` is the loop that decoding runs."""
    query, keys = queries(), attention.prepare(make_memory())
    assert_equal(attention.sequence(query, keys), one_step_at_a_time(attention, query, keys))


def hypotheses_side_by_side_equal_each_alone(attention: Attention, width: int = 3) -> None:
    """O1 for attention: the hypotheses of a beam, each with its own past, have no effect on each other."""
    keys = attention.prepare(make_memory())
    query = torch.stack([queries() for _ in range(width)], dim=2)
    past = attention.start(keys).unsqueeze(1).repeat(1, width, 1)
    together = []
    for now in query.unbind(1):
        together.append(attention(now, keys, past))
        past = attention.advance(past.flatten(0, 1), together[-1][1].flatten(0, 1))
        past = past.unflatten(0, (-1, width))
    contexts, weights = (torch.stack(parts, dim=1) for parts in zip(*together, strict=True))
    for row in range(width):
        alone = one_step_at_a_time(attention, query[:, :, row], keys)
        assert_equal((contexts[:, :, row], weights[:, :, row]), alone)


def equals_the_formula(attention: Attention, formula: Formula) -> None:
    """O10: weights and context are those of a loop over floats, sentence by sentence."""
    memory, query = make_memory(), queries()
    context, weights = attention.sequence(query, attention.prepare(memory))
    for row, length in enumerate(LENGTHS.tolist()):
        states = memory.states[row, :length].tolist()
        for step, expected in enumerate(formula(attention, query[row].tolist(), states)):
            assert_equal(weights[row, step, :length].tolist(), expected[0])
            assert_equal(context[row, step].tolist(), expected[1])


class _Whole(nn.Module):
    """Preparation and attention as one function of tensors."""

    def __init__(self, attention: Attention):
        super().__init__()
        self.attention = attention

    def forward(self, query: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        mask = torch.arange(states.shape[1]) < LENGTHS[1:].unsqueeze(1)
        keys = self.attention.prepare(Memory(states, mask, states[:, :1], states[:, :1, :0]))
        return self.attention.sequence(query, keys)


def gradients_are_right(attention: Attention) -> None:
    """O10: gradcheck in query, memory and every parameter."""
    module = _Whole(attention)
    names = [name for name, _ in module.named_parameters()]

    def function(query: Tensor, states: Tensor, *values: Tensor) -> tuple[Tensor, Tensor]:
        chosen = dict(zip(names, values, strict=True))
        return torch.func.functional_call(module, chosen, (query, states))

    query, states = torch.randn(2, 2, WIDTH).double(), torch.randn(2, 3, WIDTH).double()
    inputs = [query, states, *(p.detach() for p in module.parameters())]
    try:
        torch.autograd.gradcheck(function, [x.requires_grad_() for x in inputs], fast_mode=True)
    except RuntimeError as error:  # torch.autograd.gradcheck.GradcheckError
        raise AssertionError(str(error)) from error


def ignores_what_is_masked(attention: Attention) -> None:
    """O5 at the source: what stands under the mask is never read."""
    memory, query = make_memory(), queries()
    expected = attention.sequence(query, attention.prepare(memory))
    for value in (1e9, torch.nan, torch.inf):
        states = memory.states.masked_fill(~memory.mask.unsqueeze(-1), value)
        other = Memory(states, memory.mask, memory.hidden, memory.cell_state)
        assert_equal(attention.sequence(query, attention.prepare(other)), expected)
