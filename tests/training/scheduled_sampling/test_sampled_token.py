import math

import pytest
import torch

from seq2seq_lab.special_tokens import BOS, PAD
from seq2seq_lab.training.scheduled_sampling import sampled_token as module
from seq2seq_lab.training.scheduled_sampling.sampled_token import (
    Argmax,
    Mixture,
    Sample,
    SampledToken,
    StraightThroughGumbel,
    TopK,
)
from support.model_properties import assert_equal
from support.tiny_models import class_of, covering_choices, make_model, nodes, public_subclasses

DISCRETE, SOFT = [Argmax(), Sample(), TopK(3)], [Mixture(), StraightThroughGumbel()]
PROBABILITIES = torch.tensor([0.3, 0.2, 0.25, 0.05, 0.15, 0.05], dtype=torch.float64)
FREE = (PROBABILITIES[2:] / PROBABILITIES[2:].sum()).tolist()
COUNT = 20_000


def generator(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_classes_and_yaml_files_are_the_same_set():
    named = {
        class_of(node) for node in nodes("../training/scheduled_sampling/sampled_token").values()
    }
    assert named == public_subclasses(module, SampledToken) != set()


def frequencies(kind: SampledToken) -> list[float]:
    """Return how often each token is sampled from the probabilities above."""
    sample = kind.sample(PROBABILITIES.log().expand(COUNT, -1), generator())
    tokens = sample if sample.ndim == 1 else sample.argmax(dim=-1)
    return (torch.bincount(tokens, minlength=6) / COUNT).tolist()


def near(found: list[float], expected: list[float]) -> None:
    for f, e in zip(found, expected, strict=True):
        assert abs(f - e) <= 4 * math.sqrt(e * (1 - e) / COUNT)


@pytest.mark.parametrize(
    "kind",
    [Sample(), StraightThroughGumbel(), StraightThroughGumbel(0.3)],
    ids=lambda k: type(k).__name__,
)
def test_a_draw_has_the_probabilities_of_the_model_without_pad_and_bos(kind):
    near(frequencies(kind), [0.0, 0.0, *FREE])


def test_the_temperature_sharpens_the_draw():
    sharp = [p**2 for p in FREE]
    near(frequencies(Sample(temperature=0.5)), [0.0, 0.0, *(s / sum(sharp) for s in sharp)])


def test_top_k_draws_from_the_most_likely():
    near(frequencies(TopK(2)), [0.0, 0.0, 0.625, 0.0, 0.375, 0.0])


def test_argmax_is_the_most_likely_token_that_may_be_written():
    assert frequencies(Argmax()) == [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]


def test_a_mixture_has_the_probabilities_as_weights():
    weights = Mixture().sample(PROBABILITIES.log().unsqueeze(0), generator())
    assert_equal(weights[0].tolist(), [0.0, 0.0, *FREE])


def test_gumbel_is_a_token_forward_and_the_soft_weights_backward():
    logits = PROBABILITIES.log().expand(3, -1).clone().requires_grad_()
    weights = StraightThroughGumbel(0.7).sample(logits, generator())
    assert_equal(weights.max(dim=-1).values, torch.ones(3, dtype=torch.float64))
    assert_equal(weights.sum(dim=-1), torch.ones(3, dtype=torch.float64))
    (weights * torch.arange(6.0).double()).sum().backward()
    assert bool(logits.grad[:, 2:].any(dim=1).all())


@pytest.mark.parametrize("kind", DISCRETE + SOFT, ids=lambda k: type(k).__name__)
def test_the_input_is_the_mean_embedding_under_the_sample(kind):
    choice = next(c for c in covering_choices() if c.context == "initial_state")
    decoder = make_model(choice).decoder
    logits = torch.randn(5, 13, dtype=torch.float64)
    sample = kind.sample(logits, generator())
    weights = sample if sample.ndim == 2 else torch.nn.functional.one_hot(sample, 13).double()
    assert not weights[:, [PAD, BOS]].any()
    table = decoder.embedding.lookup.weight.clone()
    table[PAD] = 0.0
    assert_equal(kind.embed(decoder, sample), weights @ table)


@pytest.mark.parametrize("kind", DISCRETE + SOFT, ids=lambda k: type(k).__name__)
def test_the_input_of_a_decoder_that_reads_no_output_has_width_zero(kind):
    choice = next(
        c for c in covering_choices() if c.context == "every_step" and c.readout != "deep"
    )
    decoder = make_model(choice).decoder
    sample = kind.sample(torch.randn(5, 13, dtype=torch.float64), generator())
    assert kind.embed(decoder, sample).shape == (5, 0)


@pytest.mark.parametrize(
    ("make_it", "message"),
    [
        (
            lambda: Sample(0.0),
            "temperature=0.0: must be > 0; use training/scheduled_sampling/sampled_token=argmax",
        ),
        (lambda: Mixture(-1.0), "temperature=-1.0"),
        (lambda: TopK(0), "k=0: must be >= 1"),
    ],
)
def test_settings_out_of_range_are_refused(make_it, message):
    with pytest.raises(ValueError, match=message):
        make_it()


def test_planted_pad_and_bos_in_the_draw_are_caught(monkeypatch):
    monkeypatch.setattr(module, "writable", lambda logits: logits)
    with pytest.raises(AssertionError):
        near(frequencies(Sample()), [0.0, 0.0, *FREE])
