"""Every attention that has a class or a yaml file, with every normalizer; a new one is found by itself."""

import pytest
import torch
from torch import Tensor

import seq2seq_lab.model
from seq2seq_lab.doctor.attention_formulas import FORMULAS, ONE_PAIR_AT_A_TIME, has_only_a_score
from seq2seq_lab.model import normalizer as normalizer_module
from seq2seq_lab.model.attention import Attention, DotAttention, NoAttention, ScaledDotAttention
from seq2seq_lab.model.normalizer import Normalizer
from seq2seq_lab.model.state import AttentionKeys, Memory
from seq2seq_lab.testing.attention_properties import (
    STEPS,
    WIDTH,
    a_row_without_tokens_is_refused,
    a_sentence_alone_gets_the_same,
    all_steps_at_once_equal_one_at_a_time,
    an_only_token_gets_all,
    equals_the_formula,
    gradients_are_right,
    huge_scores_stay_finite,
    hypotheses_side_by_side_equal_each_alone,
    ignores_what_is_masked,
    make_memory,
    queries,
    weights_are_a_distribution_over_real_positions,
)
from support.attention_properties import (
    ATTENDING,
    EVERY,
    EVERY_PAIR,
    NODES,
    TEMPERED,
    make,
    takes_a_normalizer,
)
from support.model_properties import assert_equal
from support.tiny_models import class_of, construct, dials, public_subclasses, targets


def test_classes_and_yaml_files_are_the_same_set():
    assert targets("attention") == public_subclasses(seq2seq_lab.model, Attention) != set()


def test_every_attention_is_in_a_module_of_that_name():
    assert [c for c in targets("attention") if not c.__module__.endswith("attention")] == []


# O9: rows of weights


@EVERY_PAIR
def test_rows_sum_to_one_and_padding_gets_exactly_zero(name, normalizer):
    weights_are_a_distribution_over_real_positions(make(name, normalizer))


@EVERY_PAIR
def test_a_source_of_one_token_gets_all_the_attention(name, normalizer):
    an_only_token_gets_all(make(name, normalizer))


@EVERY_PAIR
def test_huge_scores_stay_finite(name, normalizer):
    huge_scores_stay_finite(make(name, normalizer))


@EVERY
def test_a_row_without_real_tokens_is_refused(name):
    a_row_without_tokens_is_refused(make(name))


@EVERY_PAIR
def test_all_steps_at_once_equal_one_step_at_a_time(name, normalizer):
    all_steps_at_once_equal_one_at_a_time(make(name, normalizer))


@EVERY_PAIR
def test_hypotheses_side_by_side_equal_each_alone(name, normalizer):
    hypotheses_side_by_side_equal_each_alone(make(name, normalizer))


@EVERY_PAIR
def test_a_sentence_alone_gets_the_same(name, normalizer):
    a_sentence_alone_gets_the_same(make(name, normalizer))


# O10: the formula, as a loop over floats


def with_a_score(names: list[str]) -> list[str]:
    return [name for name in names if has_only_a_score(class_of(NODES[name]))]


def with_a_formula(names: list[str]) -> list[str]:
    return [name for name in names if class_of(NODES[name]).__name__ in FORMULAS]


def test_every_attention_has_a_slow_version():
    assert set(with_a_score(ATTENDING)) | set(with_a_formula(ATTENDING)) == set(ATTENDING)


@pytest.mark.parametrize("name", with_a_score(ATTENDING))
@torch.no_grad()
def test_attention_equals_a_loop_over_single_pairs(name):
    equals_the_formula(make(name), ONE_PAIR_AT_A_TIME)


@EVERY_PAIR
@torch.no_grad()
def test_attention_equals_the_published_formula(name, normalizer):
    if name in with_a_formula(ATTENDING):
        formula = FORMULAS[class_of(NODES[name]).__name__]
        equals_the_formula(make(name, normalizer), formula)


@EVERY_PAIR
def test_gradients_pass_gradcheck(name, normalizer):
    gradients_are_right(make(name, normalizer))


# O5 at the source


@EVERY_PAIR
def test_states_under_the_mask_are_never_read(name, normalizer):
    ignores_what_is_masked(make(name, normalizer))


# temperature


def test_temperature_is_in_every_file_of_an_attention_that_takes_it():
    assert [name for name in ATTENDING if takes_a_normalizer(name)] == TEMPERED


@pytest.mark.parametrize("name", [name for name in ATTENDING if name not in TEMPERED])
def test_an_attention_without_temperature_does_not_read_its_query(name):
    attention, memory = make(name), make_memory()
    keys = attention.prepare(memory)
    assert_equal(attention.sequence(queries(), keys), attention.sequence(queries(), keys))


@pytest.mark.parametrize("name", TEMPERED)
@torch.no_grad()
def test_the_score_is_divided_by_the_temperature(name):
    formula = FORMULAS.get(class_of(NODES[name]).__name__, ONE_PAIR_AT_A_TIME)
    equals_the_formula(make(name, temperature=0.7), formula)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", TEMPERED)
def test_a_temperature_that_is_not_above_zero_is_refused(name, temperature):
    with pytest.raises(ValueError, match=r"temperature=.*: must be > 0"):
        make(name, temperature=temperature)


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


def masked_after(self: Normalizer, scores: Tensor, mask: Tensor) -> Tensor:
    return torch.softmax(scores, dim=-1).masked_fill(~mask.unsqueeze(1), 0.0)


def masked_not_at_all(self: Normalizer, scores: Tensor, mask: Tensor) -> Tensor:
    return torch.softmax(scores, dim=-1)


def over_the_steps(self: Normalizer, scores: Tensor, mask: Tensor) -> Tensor:
    return torch.softmax(scores, dim=1).masked_fill(~mask.unsqueeze(1), 0.0)


def off_by_one(self: Normalizer, scores: Tensor, mask: Tensor) -> Tensor:
    wrong = mask.roll(1, dims=1)
    wrong[:, 0] = True
    return torch.softmax(scores.masked_fill(~wrong.unsqueeze(1), -torch.inf), dim=-1)


@pytest.mark.parametrize("bug", [masked_after, masked_not_at_all, over_the_steps, off_by_one])
@EVERY
def test_planted_softmax_bug_is_caught(name, bug, monkeypatch):
    monkeypatch.setattr(Normalizer, "__call__", bug)
    with pytest.raises(AssertionError):
        weights_are_a_distribution_over_real_positions(make(name))


@pytest.mark.parametrize("normalizer", ["sparsemax", "entmax15"])
@pytest.mark.parametrize("name", TEMPERED)
def test_planted_support_on_padding_is_caught(name, normalizer, monkeypatch):
    def zero_on_padding(scores, mask):
        return scores.masked_fill(~mask.unsqueeze(1), 0.0)

    monkeypatch.setattr(normalizer_module, "only_real", zero_on_padding)
    with pytest.raises(AssertionError):
        weights_are_a_distribution_over_real_positions(make(name, normalizer, temperature=3.0))


class Doubled(DotAttention):
    """A wrong score."""

    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        return 2 * super().score(query, keys)


class Inverted(DotAttention):
    """The temperature the wrong way round."""

    def energies(self, query: Tensor, keys: AttentionKeys, past: Tensor) -> Tensor:
        return self.score(query, keys.keys) * self.temperature


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


@pytest.mark.parametrize("wrong", [Doubled(WIDTH, WIDTH), Inverted(WIDTH, WIDTH, 0.7)])
@torch.no_grad()
def test_planted_wrong_formula_is_caught(wrong):
    with pytest.raises(AssertionError):
        equals_the_formula(wrong, FORMULAS["DotAttention"])


@torch.no_grad()
def test_planted_look_at_the_neighbour_is_caught():
    with pytest.raises(AssertionError):
        equals_the_formula(Mixed(WIDTH, WIDTH), ONE_PAIR_AT_A_TIME)


def test_planted_lost_gradient_is_caught():
    with pytest.raises(AssertionError):
        gradients_are_right(Detached(WIDTH, WIDTH))


def test_planted_average_over_padding_is_caught():
    with pytest.raises(AssertionError):
        ignores_what_is_masked(Unmasked(WIDTH, WIDTH))
