"""LSTMs in half precision run on every CPU, with oneDNN's kernel or without."""

import pytest
import torch

from seq2seq_lab.model.cell import LstmCell
from seq2seq_lab.model.kernel import half_precision
from seq2seq_lab.model.kernel.half_precision import attend, without_missing_kernels

HALVES = (torch.bfloat16, torch.float16)


def run(cell: LstmCell, dtype: torch.dtype, *, autocast: bool) -> torch.Tensor:
    torch.manual_seed(1)
    inputs = torch.randn(3, 7, 5)
    if autocast:
        with torch.autocast("cpu", dtype=dtype):
            outputs, _ = cell.sequence(inputs)
    else:
        outputs, _ = cell.to(dtype).sequence(inputs.to(dtype))
    outputs.float().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in cell.parameters())
    return outputs.float()


@pytest.mark.parametrize("autocast", [True, False], ids=["mixed", "true"])
@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_half_precision_is_close_to_single(dtype, autocast):
    torch.manual_seed(0)
    cell = LstmCell(5, 4, num_layers=2, bidirectional=True)
    single = run(cell, torch.float32, autocast=False)
    cell.zero_grad()
    assert torch.allclose(run(cell, dtype, autocast=autocast), single, atol=0.02)


@pytest.mark.parametrize("has_kernel", [True, False])
def test_only_a_missing_kernel_turns_onednn_off_and_only_for_the_call(monkeypatch, has_kernel):
    monkeypatch.setattr(half_precision, "_has_kernel", lambda dtype: has_kernel)
    before = torch.backends.mkldnn.enabled
    with without_missing_kernels(torch.zeros(1)):
        assert torch.backends.mkldnn.enabled is (before and has_kernel)
    assert torch.backends.mkldnn.enabled is before
    with pytest.raises(KeyError), without_missing_kernels(torch.zeros(1)):
        raise KeyError
    assert torch.backends.mkldnn.enabled is before


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_full_precision_needs_no_care(dtype):
    with without_missing_kernels(torch.zeros(1, dtype=dtype)):
        assert torch.backends.mkldnn.enabled


def test_attention_under_autocast_is_that_of_float32():
    torch.manual_seed(1)
    parts = [torch.randn(2, 3, 5, 7).bfloat16().requires_grad_() for _ in range(3)]
    expected = torch.nn.functional.scaled_dot_product_attention(*(one.float() for one in parts))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = attend(*parts)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected.bfloat16())
    found.sum().backward()
    assert parts[0].grad.dtype == torch.bfloat16
