from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from seq2seq_lab.model.kernel import deferred as products
from seq2seq_lab.model.kernel.deferred import Product, deferred, plain
from support.model_properties import assert_equal

ROWS, INPUT, OUTPUT, STEPS = 3, 5, 7, 4


def looped(
    make: Callable[..., Product], *, bias: bool, base: bool, repeat: int = 1
) -> list[Tensor]:
    """Run a small loop and return its result and the gradients of everything that went in."""
    torch.manual_seed(1)
    weight = torch.randn(OUTPUT, INPUT + OUTPUT, dtype=torch.float64, requires_grad=True)
    offset = torch.randn(OUTPUT, dtype=torch.float64, requires_grad=True) if bias else None
    inputs = torch.randn(STEPS, ROWS, INPUT, dtype=torch.float64, requires_grad=True)
    bases = torch.randn(STEPS, ROWS, OUTPUT, dtype=torch.float64, requires_grad=True)
    product, state = make(weight, offset), inputs.new_zeros(ROWS, OUTPUT)
    for now, under in zip(inputs.unbind(0), bases.unbind(0), strict=True):
        state = torch.tanh(product(torch.cat([now, state], dim=1), under if base else None))
    for _ in range(repeat):
        (state * torch.arange(OUTPUT)).sum().backward(retain_graph=True)
    leaves = [weight, inputs, *([offset] if bias else []), *([bases] if base else [])]
    return [state.detach(), *(leaf.grad for leaf in leaves)]


def equals_plain(*, bias: bool, base: bool, repeat: int = 1) -> None:
    settings = {"bias": bias, "base": base, "repeat": repeat}
    assert_equal(looped(deferred, **settings), looped(plain, **settings))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("base", [False, True])
def test_deferred_gradients_equal_those_of_every_step(bias, base):
    equals_plain(bias=bias, base=base)


def test_a_second_backward_adds_the_same_again():
    equals_plain(bias=True, base=True, repeat=2)


def test_without_gradients_nothing_is_kept():
    weight = torch.randn(OUTPUT, INPUT)
    assert not deferred(weight, None)(torch.randn(ROWS, INPUT), None).requires_grad
    with torch.no_grad():
        product = deferred(weight.requires_grad_(), None)
        assert not product(torch.randn(ROWS, INPUT), None).requires_grad


def test_half_precision_under_autocast_trains():
    weight = torch.randn(OUTPUT, INPUT, requires_grad=True)
    inputs = torch.randn(ROWS, INPUT, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = deferred(weight, None)(inputs, None)
    made.float().sum().backward()
    assert made.dtype == torch.bfloat16
    assert weight.grad.dtype == inputs.grad.dtype == torch.float32


def test_planted_step_that_is_forgotten_is_caught(monkeypatch):
    monkeypatch.setattr(
        products._Weights,
        "backward",
        staticmethod(lambda ctx, _: _without_the_last(ctx)),
    )
    with pytest.raises(AssertionError):
        equals_plain(bias=False, base=True)


def _without_the_last(ctx):
    inputs, gradients = (torch.cat(parts) for parts in zip(*ctx.steps[:-1], strict=True))
    ctx.steps.clear()
    return gradients.t() @ inputs, None, None
