"""The properties of a training loss, each as a function of one loss, and `check_loss` over all of them."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from seq2seq_lab.doctor.agreement import agree, demand
from seq2seq_lab.testing.claims import Claim, hold

TOKENS, VOCAB = 7, 5
STEP = 1e-5


def examples() -> tuple[Tensor, Tensor]:
    """Return random logits (tokens, vocabulary) and targets (tokens)."""
    generator = torch.Generator().manual_seed(11)
    logits = torch.randn(TOKENS, VOCAB, dtype=torch.float64, generator=generator)
    return logits, torch.randint(VOCAB, (TOKENS,), generator=generator)


def is_the_sum_over_tokens(loss: nn.Module) -> None:
    """The loss of all tokens is one number, the sum of those of each token: the caller divides by their number."""
    logits, targets = examples()
    whole = loss(logits, targets)
    demand(whole.shape == (), f"a loss of shape {[*whole.shape]}")
    alone = sum(float(loss(logits[i : i + 1], targets[i : i + 1])) for i in range(TOKENS))
    agree(float(whole), alone, "the loss of all tokens and the sum over each")


def prefers_the_target(loss: nn.Module) -> None:
    """A higher logit of the target gives a lower loss."""
    logits, targets = examples()
    better = logits.scatter_add(1, targets.unsqueeze(1), torch.ones(TOKENS, 1, dtype=torch.float64))
    before, after = float(loss(logits, targets)), float(loss(better, targets))
    demand(after < before, f"{after:.4g} with higher logits of the targets, {before:.4g} before")


def gradients_are_right(loss: nn.Module) -> None:
    """Gradients in the logits equal finite differences, also after a factor behind the loss."""
    logits, targets = examples()
    (
        3 * loss(logits.requires_grad_(), targets)
    ).backward()  # once: a loss may overwrite what it needs for it
    demand(logits.grad is not None, "no gradient in the logits")
    expected = torch.zeros_like(logits)
    with torch.no_grad():
        for index in range(logits.numel()):
            step = torch.zeros(logits.numel(), dtype=torch.float64)
            step[index] = STEP
            up, down = (loss(logits + sign * step.view_as(logits), targets) for sign in (1, -1))
            expected.view(-1)[index] = 3 * (up - down) / (2 * STEP)
    agree(logits.grad, expected, "gradients", tolerance=1e-6)


def is_finite_for_certain_models(loss: nn.Module) -> None:
    """Logits a thousand apart give a finite loss and gradient."""
    logits, targets = examples()
    logits = (logits * 1e3).requires_grad_()
    value = loss(logits, targets)
    value.backward()
    is_finite = (
        bool(value.isfinite()) and logits.grad is not None and bool(logits.grad.isfinite().all())
    )
    demand(is_finite, f"a loss of {float(value.detach())}, or a gradient that is not finite")


_TABLE: tuple[tuple[str, Any, str], ...] = (
    (
        "the loss is the sum over tokens",
        is_the_sum_over_tokens,
        'Sum and do not average: reduction="sum"; look at no other token of the batch',
    ),
    ("a better model has a lower loss", prefers_the_target, "Check the sign"),
    (
        "gradients equal finite differences",
        gradients_are_right,
        "Look for `detach`, and for a backward of your own that leaves the incoming gradient out",
    ),
    (
        "certain models have a finite loss",
        is_finite_for_certain_models,
        "Take log_softmax, not the logarithm of a softmax",
    ),
)


def check_loss(cls: type[nn.Module], **arguments: Any) -> None:
    """Raise `AssertionError` unless a class of training loss is a sum over tokens with right gradients.

    It is made with `arguments` and called with logits (tokens, vocabulary) and targets (tokens).
    """
    loss = cls(**arguments)
    hold(
        cls.__name__, [Claim(name, partial(check, loss), advice) for name, check, advice in _TABLE]
    )
