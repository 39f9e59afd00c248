import math

import pytest
import torch

from seq2seq_lab.doctor.agreement import PropertyBroken, agree, demand
from seq2seq_lab.model.state import AttentionKeys

NAN, INF = torch.tensor([1.0, math.nan]), torch.tensor([1.0, -math.inf])


@pytest.mark.parametrize(
    ("one", "other", "error"),
    [
        (torch.tensor([1.0, 2.0]).double(), torch.tensor([1.0, 2.0 + 1e-12]).double(), 5e-13),
        (0.5, 0.5 + 1e-12, 1e-12),
        ({"a": [1.0, (2, "x")]}, {"a": [1.0, (2, "x")]}, 0.0),
        (INF, INF.clone(), 0.0),
        (torch.zeros(3, 0), torch.zeros(3, 0), 0.0),
        (None, None, 0.0),
    ],
)
def test_equal_values_give_the_largest_error(one, other, error):
    assert agree(one, other) == pytest.approx(error, rel=1e-3)


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        (torch.zeros(2).double(), torch.tensor([0.0, 1e-9]).double(), "values: apart by 1.0e-09"),
        (1.0, 1.0 + 1e-9, "apart by"),  # float32 could not tell these
        (torch.zeros(2), torch.zeros(3), r"\[2\] and not \[3\]"),
        (NAN, NAN, "apart by inf"),
        (INF, -INF, "apart by"),
        (torch.tensor([True]), torch.tensor([False]), "apart by inf"),
        ({"a": 1.0}, {"b": 1.0}, "other names"),
        ({"a": torch.zeros(1)}, {"a": None}, "values a: a Tensor and not a NoneType"),
        ([1.0], [1.0, 2.0], "1 parts and not 2"),
    ],
)
def test_a_difference_is_refused_with_its_reason(one, other, reason):
    with pytest.raises(PropertyBroken, match=reason):
        agree(one, other)


def test_dataclasses_are_compared_part_by_part():
    mask = torch.ones(1, 1, dtype=torch.bool)
    one = AttentionKeys(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), mask)
    other = AttentionKeys(torch.zeros(1, 1, 2), torch.ones(1, 1, 2), mask)
    assert agree(one, one) == 0.0
    with pytest.raises(PropertyBroken, match="keys values: apart by"):
        agree(one, other, "keys")


def test_a_demand_that_fails_is_a_broken_property():
    demand(holds=torch.tensor(1), reason="never raised")
    with pytest.raises(PropertyBroken, match="why"):
        demand(holds=False, reason="why")
