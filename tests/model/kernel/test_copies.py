"""Rows that are copies are multiplied once, with the same result."""

import pytest
import torch

from seq2seq_lab.model.kernel import copies
from seq2seq_lab.model.kernel.copies import LARGEST, different_rows, times_once

WEIGHT = torch.randn(5, LARGEST // 64, dtype=torch.double)


def product(inputs, base=None):
    found = inputs @ WEIGHT.t()
    return found if base is None else found + base


def counting(inputs, base=None):
    counting.rows.append(len(inputs))
    return product(inputs, base)


def spread_rows(different):
    keys = torch.randint(different, (100,), generator=torch.Generator().manual_seed(1)) * 7
    return torch.randn(7 * different, WEIGHT.shape[1], dtype=torch.double)[keys], keys


@pytest.mark.parametrize(("different", "multiplied"), [(3, 16), (40, 48), (1000, 100)])
@pytest.mark.parametrize("has_base", [False, True])
def test_the_product_is_that_of_all_rows(different, multiplied, has_base):
    inputs, keys = spread_rows(different)
    base = torch.randn(100, 5, dtype=torch.double) if has_base else None
    given, counting.rows = None if base is None else base.clone(), []
    found = times_once(counting, inputs, keys, base)
    torch.testing.assert_close(found, product(inputs, base), rtol=1e-12, atol=1e-12)
    assert counting.rows == [multiplied]
    assert base is None or torch.equal(base, given)


def test_without_keys_and_few_elements_all_rows_are_multiplied():
    inputs, keys = spread_rows(3)
    for some, known in ((inputs, None), (inputs[:64], keys[:64])):
        counting.rows = []
        times_once(counting, some, known)
        assert counting.rows == [len(some)]


def test_each_row_finds_its_own_kind():
    keys = torch.tensor([5, 2, 5, 9, 2])
    first, kind = different_rows(keys)
    assert torch.equal(keys[first][kind], keys)


def test_planted_wrong_kind_is_caught(monkeypatch):
    def shifted(keys):
        first, kind = different_rows(keys)
        return first, kind.roll(1)

    monkeypatch.setattr(copies, "different_rows", shifted)
    with pytest.raises(AssertionError):
        test_the_product_is_that_of_all_rows(3, 16, has_base=False)
