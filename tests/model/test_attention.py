"""Every attention that has a class or a yaml file; a new one is found by itself."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from attention_formulas import FORMULAS, one_pair_at_a_time
from laws import assert_equal
from seq2seq_lab.model import attention as attention_module
from seq2seq_lab.model.attention import Attention, DotAttention, NoAttention, ScaledDotAttention
from seq2seq_lab.model.state import AttentionKeys, Memory
from tiny_models import class_of, construct, dials, nodes, public_subclasses, targets

LENGTHS = torch.tensor([5, 2, 3])
STEPS, WIDTH = 7, 6
NODES = nodes("attention")
ATTENDING = {name: node for name, node in NODES.items() if class_of(node) is not NoAttention}
EVERY = pytest.mark.parametrize("name", list(ATTENDING))


def make(name: str) -> Attention:
    module = construct(NODES[name], dials(encoder=WIDTH, decoder=WIDTH)).double()
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return module


def make_memory(lengths: Tensor = LENGTHS) -> Memory:
    width = int(lengths.max())
    states = torch.randn(len(lengths), width, WIDTH, dtype=torch.float64)
    mask = torch.arange(width) < lengths.unsqueeze(1)
    return Memory(states, mask, states[:, :1], states[:, :1, :0])


def queries(rows: int = 3) -> Tensor:
    return torch.randn(rows, STEPS, WIDTH, dtype=torch.float64)


def test_classes_and_yaml_files_are_the_same_set():
    assert targets("attention") == public_subclasses(attention_module, Attention) != set()


# O9: rows of weights


def weights_are_a_distribution_over_real_positions(attention: Attention) -> None:
    memory = make_memory()
    _, weights = attention.sequence(queries(), attention.prepare(memory))
    assert_equal(weights.sum(dim=-1), torch.ones(3, STEPS, dtype=torch.float64))
    assert bool((weights >= 0).all())
    padding = ~memory.mask.unsqueeze(1).expand_as(weights)
    assert not weights[padding].any()


@EVERY
def test_rows_sum_to_one_and_padding_gets_exactly_zero(name):
    weights_are_a_distribution_over_real_positions(make(name))


@EVERY
def test_a_source_of_one_token_gets_all_the_attention(name):
    attention, memory = make(name), make_memory(torch.tensor([1, 1, 1]))
    context, weights = attention.sequence(queries(), attention.prepare(memory))
    assert bool((weights == 1).all())
    assert_equal(context, memory.states.expand(-1, STEPS, -1))


@EVERY
def test_huge_scores_stay_finite(name):
    attention, memory = make(name), make_memory()
    context, weights = attention.sequence(queries() * 1e6, attention.prepare(memory))
    assert bool(torch.isfinite(context).all())
    assert bool(torch.isfinite(weights).all())


@EVERY
def test_a_row_without_real_tokens_is_refused(name):
    with pytest.raises(ValueError, match="without any real token"):
        make(name).prepare(make_memory(torch.tensor([5, 0, 3])))


@EVERY
def test_all_steps_at_once_equal_one_step_at_a_time(name):
    attention, query = make(name), queries()
    keys = attention.prepare(make_memory())
    past, single = attention.start(keys), []
    for t in range(STEPS):
        single.append(attention(query[:, t : t + 1], keys, past.unsqueeze(1)))
        past = attention.advance(past, single[-1][1][:, 0])
    together = tuple(torch.cat(parts, dim=1) for parts in zip(*single, strict=True))
    assert_equal(attention.sequence(query, keys), together)


# O10: the formula, as a loop over floats


def equals_a_loop(attention: Attention, score: Callable[[Attention, list, list], float]) -> None:
    memory, query = make_memory(), queries()
    context, weights = attention.sequence(query, attention.prepare(memory))
    for row, length in enumerate(LENGTHS.tolist()):
        states = memory.states[row, :length].tolist()
        for step in range(STEPS):
            scores = [math.exp(score(attention, query[row, step].tolist(), s)) for s in states]
            expected = [s / sum(scores) for s in scores]
            mean = [
                sum(w * s[i] for w, s in zip(expected, states, strict=True)) for i in range(WIDTH)
            ]
            assert_equal(weights[row, step, :length].tolist(), expected)
            assert_equal(context[row, step].tolist(), mean)


@EVERY
@torch.no_grad()
def test_attention_equals_a_loop_over_single_pairs(name):
    equals_a_loop(make(name), one_pair_at_a_time)


@pytest.mark.parametrize("name", [n for n in ATTENDING if class_of(NODES[n]).__name__ in FORMULAS])
@torch.no_grad()
def test_attention_equals_the_published_formula(name):
    equals_a_loop(make(name), FORMULAS[class_of(NODES[name]).__name__])


class Whole(nn.Module):
    """Preparation and attention as one function of tensors."""

    def __init__(self, attention: Attention):
        super().__init__()
        self.attention = attention

    def forward(self, query: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        mask = torch.arange(states.shape[1]) < LENGTHS[1:].unsqueeze(1)
        keys = self.attention.prepare(Memory(states, mask, states[:, :1], states[:, :1, :0]))
        return self.attention.sequence(query, keys)


def gradients_are_right(attention: Attention) -> None:
    module = Whole(attention)
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


@EVERY
def test_gradients_pass_gradcheck(name):
    gradients_are_right(make(name))


# O5 at the source: what stands under the mask is never read


def ignores_what_is_masked(attention: Attention) -> None:
    memory, query = make_memory(), queries()
    expected = attention.sequence(query, attention.prepare(memory))
    for value in (1e9, torch.nan, torch.inf):
        states = memory.states.masked_fill(~memory.mask.unsqueeze(-1), value)
        other = Memory(states, memory.mask, memory.hidden, memory.cell)
        assert_equal(attention.sequence(query, attention.prepare(other)), expected)


@EVERY
def test_states_under_the_mask_are_never_read(name):
    ignores_what_is_masked(make(name))


# no attention


def test_no_attention_owns_no_parameters_and_reads_nothing():
    attention = NoAttention(WIDTH, WIDTH)
    context, weights = attention.sequence(queries(), attention.prepare(make_memory()))
    assert list(attention.parameters()) == []
    assert (context.shape, weights.shape, attention.context_dim) == (
        (3, STEPS, 0),
        (3, STEPS, 0),
        0,
    )


@pytest.mark.parametrize("kind", [DotAttention, ScaledDotAttention])
def test_a_dot_product_of_unequal_widths_is_refused(kind):
    with pytest.raises(ValueError, match=r"query_dim=5, memory_dim=6.*general"):
        kind(5, 6)


@EVERY
def test_a_width_below_one_is_refused(name):
    with pytest.raises(ValueError, match="must be >= 1"):
        construct(NODES[name], dials(encoder=0, decoder=0))


# planted bugs


def masked_after(scores: Tensor, mask: Tensor) -> Tensor:
    return torch.softmax(scores, dim=-1).masked_fill(~mask.unsqueeze(1), 0.0)


def masked_not_at_all(scores: Tensor, mask: Tensor) -> Tensor:
    return torch.softmax(scores, dim=-1)


def over_the_steps(scores: Tensor, mask: Tensor) -> Tensor:
    return torch.softmax(scores, dim=1).masked_fill(~mask.unsqueeze(1), 0.0)


def off_by_one(scores: Tensor, mask: Tensor) -> Tensor:
    wrong = mask.roll(1, dims=1)
    wrong[:, 0] = True
    return torch.softmax(scores.masked_fill(~wrong.unsqueeze(1), -torch.inf), dim=-1)


@pytest.mark.parametrize("bug", [masked_after, masked_not_at_all, over_the_steps, off_by_one])
@EVERY
def test_planted_softmax_bug_is_caught(name, bug, monkeypatch):
    monkeypatch.setattr(attention_module, "masked_softmax", bug)
    with pytest.raises(AssertionError):
        weights_are_a_distribution_over_real_positions(make(name))


class Doubled(DotAttention):
    """A wrong score."""

    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        return 2 * super().score(query, keys)


class Mixed(DotAttention):
    """A score that looks at the neighbour in the batch."""

    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        return super().score(query, keys.roll(1, dims=0))


class Detached(DotAttention):
    """A score whose gradient is lost."""

    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        return super().score(query.detach(), keys) + 0.0 * query.sum()


class Unmasked(DotAttention):
    """Averages the memory as it comes."""

    def prepare(self, memory: Memory) -> AttentionKeys:
        return AttentionKeys(memory.states, memory.states, memory.mask)


@torch.no_grad()
def test_planted_wrong_formula_is_caught():
    with pytest.raises(AssertionError):
        equals_a_loop(Doubled(WIDTH, WIDTH), FORMULAS["DotAttention"])


@torch.no_grad()
def test_planted_look_at_the_neighbour_is_caught():
    with pytest.raises(AssertionError):
        equals_a_loop(Mixed(WIDTH, WIDTH), one_pair_at_a_time)


def test_planted_lost_gradient_is_caught():
    with pytest.raises(AssertionError):
        gradients_are_right(Detached(WIDTH, WIDTH))


def test_planted_average_over_padding_is_caught():
    with pytest.raises(AssertionError):
        ignores_what_is_masked(Unmasked(WIDTH, WIDTH))
