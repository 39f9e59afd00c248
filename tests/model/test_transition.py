"""Transitions of hard attention: which positions may follow which, and with what probability."""

import math

import pytest
import torch

from seq2seq_lab.model import transition as module
from seq2seq_lab.model.transition import (
    LOG_ZERO,
    FreeTransition,
    MonotonicTransition,
    Transition,
)
from support.tiny_models import public_subclasses, targets

EVERY = [MonotonicTransition(), MonotonicTransition(1), MonotonicTransition(2), FreeTransition()]
IDS = ["monotonic", "jump 1", "jump 2", "free"]
LENGTHS = (5, 1, 3)
MASK = torch.arange(5).unsqueeze(0) < torch.tensor(LENGTHS).unsqueeze(1)


def scores(steps: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return 3.0 * torch.randn(len(LENGTHS), steps, 5, dtype=torch.float64, generator=generator)


def may_follow(rule: Transition, before: int, now: int) -> bool:
    if isinstance(rule, FreeTransition):
        return True
    return now >= before and (rule.max_jump is None or now - before <= rule.max_jump)


@pytest.mark.parametrize("rule", EVERY, ids=IDS)
def test_probabilities_equal_a_loop(rule):
    found = rule(scores(), MASK)
    for row, length in enumerate(LENGTHS):
        for step, one in enumerate(scores()[row].tolist()):
            for i in range(length):
                allowed = [j for j in range(length) if may_follow(rule, i, j)]
                total = sum(math.exp(one[j]) for j in allowed)
                for j in range(5):
                    expected = math.exp(one[j]) / total if j in allowed else 0.0
                    actual = math.exp(found[row, step, i, j].item())
                    assert actual == pytest.approx(expected, abs=1e-12)
                    assert j in allowed or actual == 0.0


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16])
def test_log_zero_is_a_probability_of_exactly_zero_with_a_finite_gradient(kind):
    value = torch.tensor([LOG_ZERO, 0.0], dtype=kind, requires_grad=True)
    assert value.exp().tolist() == [0.0, 1.0]
    (value + LOG_ZERO).logsumexp(0).backward()
    assert value.grad.isfinite().all()


@pytest.mark.parametrize("jump", [0, -1])
def test_a_jump_goes_forward(jump):
    with pytest.raises(ValueError, match=rf"max_jump={jump}: must be >= 1"):
        MonotonicTransition(jump)


def test_every_transition_has_a_yaml():
    assert targets("transition") == public_subclasses(module, Transition)
