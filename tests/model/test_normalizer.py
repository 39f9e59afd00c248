"""Normalizers: against a bisection over floats; which weights are zero; what half precision keeps."""

import pytest
import torch

from seq2seq_lab.doctor.attention_formulas import NORMALIZED
from seq2seq_lab.model import normalizer as normalizer_module
from seq2seq_lab.model.normalizer import Entmax15, Normalizer, Softmax, Sparsemax
from support import model_properties as properties
from support.model_properties import assert_equal
from support.tiny_models import (
    Choice,
    class_of,
    construct,
    make_batch,
    make_model,
    nodes,
    public_subclasses,
    targets,
)

NODES = nodes("normalizer")
EVERY = pytest.mark.parametrize("name", list(NODES))
MASK = torch.tensor([[True] * 5, [True, True, False, False, False]])
CHOICE = Choice(
    "gru",
    "coverage",
    "linear",
    "initial_state",
    "before",
    "deep",
    True,
    "bidirectional",
    (2, 2),
    (6, 5),
)


def make(name: str) -> Normalizer:
    return construct(NODES[name], {})


def test_classes_and_yaml_files_are_the_same_set():
    assert targets("normalizer") == public_subclasses(normalizer_module, Normalizer) != set()


@EVERY
@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_weights_equal_a_loop_over_floats(name, scale):
    scores = scale * torch.randn(2, 7, 5, dtype=torch.float64)
    weights = make(name)(scores, MASK)
    for row, length in ((0, 5), (1, 2)):
        for step in range(7):
            expected = NORMALIZED[class_of(NODES[name]).__name__](
                scores[row, step, :length].tolist()
            )
            assert_equal(weights[row, step, :length].tolist(), expected)


@EVERY
def test_scores_that_are_minus_infinity_get_no_weight_and_no_gradient(name):
    scores = torch.randn(2, 7, 5, dtype=torch.float64)
    scores[:, :, 0] = -torch.inf
    scores.requires_grad_()
    weights = make(name)(scores, MASK)
    (weights * torch.randn(2, 7, 5)).sum().backward()
    assert not weights[:, :, 0].any()
    assert bool(torch.isfinite(scores.grad).all())
    assert not scores.grad[:, :, 0].any()
    assert not scores.grad[1, :, 2:].any()


@EVERY
def test_equal_scores_get_equal_weights(name):
    weights = make(name)(torch.zeros(2, 1, 5), MASK)
    torch.testing.assert_close(weights[0, 0], torch.full((5,), 0.2))
    torch.testing.assert_close(weights[1, 0], torch.tensor([0.5, 0.5, 0, 0, 0]))


def test_only_the_sparse_ones_give_zero_to_a_real_position():
    scores = torch.tensor([[[0.0, -0.5, -1.5, -3.0, -9.0]]])
    zeros = {
        kind: int((kind()(scores, MASK[:1]) == 0).sum()) for kind in (Softmax, Entmax15, Sparsemax)
    }
    assert zeros == {Softmax: 0, Entmax15: 2, Sparsemax: 3}


@EVERY
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_long_rows_in_half_precision_sum_to_one(name, dtype):
    scores = (0.2 * torch.randn(2, 3, 700)).to(dtype)
    weights = make(name)(scores, torch.ones(2, 700, dtype=torch.bool))
    assert weights.dtype == dtype
    torch.testing.assert_close(weights.float().sum(dim=-1), torch.ones(2, 3), rtol=0.0, atol=0.005)


@EVERY
def test_a_model_with_it_keeps_the_laws(name):
    model, batch = make_model(CHOICE), make_batch()
    model.decoder.attention.normalizer = make(name)
    properties.forward_equals_steps(model, batch)
    properties.padding_has_no_effect(model, batch)
    properties.sequential_equals_parallel(model, batch)


# planted bugs


def test_planted_other_power_is_caught(monkeypatch):
    monkeypatch.setattr(Entmax15, "weights", Sparsemax.weights)
    with pytest.raises(AssertionError):
        test_weights_equal_a_loop_over_floats("entmax15", 1.0)


def test_planted_half_precision_is_caught(monkeypatch):
    def narrow(self, scores, mask):
        return self.weights(normalizer_module.only_real(scores, mask))

    monkeypatch.setattr(Normalizer, "__call__", narrow)
    with pytest.raises(AssertionError):
        test_long_rows_in_half_precision_sum_to_one("entmax15", torch.bfloat16)
