"""Shapes are executed while tests run: in functions and data classes of the package, sizes of one name are equal."""

import dataclasses

import jaxtyping
import pytest
import torch
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import Float
from torch import Tensor

from seq2seq_lab.batch import mask_from_lengths
from support.shape_check import checked, with_shapes

decorate = with_shapes(typechecker=checked)
ZEROS = torch.zeros


@decorate
def product(
    matrix: Float[Tensor, "rows columns"], vector: Float[Tensor, " columns"]
) -> Float[Tensor, " rows"]:
    return matrix @ vector if matrix.shape[0] != 7 else vector


@decorate
def outer(number: int, inner: list[Float[Tensor, " n"]]) -> list[Float[Tensor, " n"]]:
    return [*inner, product(ZEROS(5, 2), ZEROS(2))[:number]]


@decorate
@dataclasses.dataclass
class Pair:
    one: Float[Tensor, " n"]
    other: Float[Tensor, " n"]


def test_equal_sizes_pass_and_each_call_has_its_own():
    assert product(ZEROS(3, 2), ZEROS(2)).shape == (3,)
    assert len(outer(4, [ZEROS(4)])) == 2
    assert Pair(ZEROS(3), ZEROS(3)).one.shape == (3,)


@pytest.mark.parametrize(
    "call",
    [
        lambda: product(ZEROS(3, 2), ZEROS(3)),
        lambda: product(ZEROS(7, 2), ZEROS(2)),
        lambda: product(ZEROS(3, 2).long(), ZEROS(2).long()),
        lambda: outer("4", []),
        lambda: Pair(ZEROS(3), ZEROS(2)),
        lambda: mask_from_lengths(ZEROS(3, 2).long(), 4),
    ],
    ids=["argument", "result", "kind", "plain type", "data class", "package"],
)
def test_planted_wrong_size_is_caught(call):
    with pytest.raises(BeartypeCallHintViolation):
        call()


def test_the_check_can_be_left_out(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    assert product(ZEROS(7, 2), ZEROS(2)).shape == (2,)
