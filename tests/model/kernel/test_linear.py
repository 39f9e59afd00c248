"""oneDNN's product equals torch's own, values and gradients, wherever it is taken."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from seq2seq_lab.model.kernel import deferred as products
from seq2seq_lab.model.kernel import linear as module
from seq2seq_lab.model.kernel.deferred import deferred, plain
from seq2seq_lab.model.kernel.linear import (
    Linear,
    has_onednn,
    linear,
    packed,
    prefers_onednn,
    to_inputs,
    to_weight,
)

OUTPUT, INPUT = 521, 131
TOLERANCE = {"atol": 1e-4, "rtol": 1e-5}


pytestmark = pytest.mark.usefixtures("onednn")


@pytest.fixture(autouse=True)
def narrow_blas(monkeypatch):
    """BLAS is no match for oneDNN, as on an AMD CPU, unless a test says otherwise."""
    monkeypatch.setattr(module, "mkl_has_intel_kernels", lambda: False)


def parts(*shape: int) -> list[torch.Tensor]:
    torch.manual_seed(1)
    made = [torch.randn(*shape, INPUT), torch.randn(OUTPUT, INPUT), torch.randn(OUTPUT)]
    return [one.requires_grad_() for one in made]


def results(product, *shape: int, columns: int = INPUT) -> list[torch.Tensor]:
    inputs, weight, bias = parts(*shape)
    made = product(inputs[..., :columns], weight[:, :columns], bias)
    (made * torch.arange(OUTPUT).cos()).sum().backward()
    return [made.detach(), inputs.grad, weight.grad, bias.grad]


@pytest.mark.parametrize("shape", [(7,), (3, 5), (1, 1), (0,)])
@pytest.mark.parametrize("columns", [INPUT, 127])
def test_it_equals_torchs_own(shape, columns):
    assert prefers_onednn(parts(1)[1])
    torch.testing.assert_close(
        results(linear, *shape, columns=columns),
        results(F.linear, *shape, columns=columns),
        **TOLERANCE,
    )


def gradients(weight: torch.Tensor, inputs: torch.Tensor, gradient: torch.Tensor) -> list:
    return [to_inputs(gradient, weight), to_weight(gradient, inputs)]


def large_parts() -> list[torch.Tensor]:
    """A matrix of few elements times so many rows that both gradients go to oneDNN."""
    rows, width, made = 1361, 67, 53
    assert rows * width * made >= module.LEAST
    assert width * made < module.SMALLEST
    torch.manual_seed(1)
    return [torch.randn(*shape) for shape in ((made, width), (rows, width), (rows, made))]


@pytest.fixture
def avx512(monkeypatch):
    """Gradients go to oneDNN on this CPU, too, whatever its registers."""
    monkeypatch.setattr(module, "has_avx512", lambda: True)


def check_gradients_of_many_rows() -> None:
    weight, inputs, gradient = large_parts()
    found = gradients(weight, inputs, gradient)
    wide = gradients(weight.double(), inputs.double(), gradient.double())
    torch.testing.assert_close(found, [one.float() for one in wide], atol=1e-3, rtol=1e-5)


def test_gradients_of_many_rows_equal_those_of_float64(monkeypatch, avx512):
    answers = []
    monkeypatch.setattr(
        module, "has_onednn", lambda one: answers.append(has_onednn(one)) or answers[-1]
    )
    with torch.no_grad():
        check_gradients_of_many_rows()
    assert answers == [True, True, False, False]  # float64 is torch's


def test_gradients_are_blas_products_without_avx512(monkeypatch):
    weight, inputs, gradient = large_parts()
    monkeypatch.setattr(module, "has_avx512", lambda: False)
    with torch.no_grad():
        found = gradients(weight, inputs, gradient)
    torch.testing.assert_close(found, [gradient @ weight, gradient.mT @ inputs], atol=0, rtol=0)


def test_gradients_are_blas_products_where_blas_is_wide(monkeypatch, avx512):
    weight, inputs, gradient = large_parts()
    monkeypatch.setattr(module, "mkl_has_intel_kernels", lambda: True)
    with torch.no_grad():
        found = gradients(weight, inputs, gradient)
    torch.testing.assert_close(found, [gradient @ weight, gradient.mT @ inputs], atol=0, rtol=0)


def onednns_share(monkeypatch, output: int, *, avx512: bool, intel: bool) -> int:
    """How many of two products by a matrix of so many rows, one of them float64, oneDNN makes."""
    calls, onednn = [], module.onednn
    monkeypatch.setattr(module, "has_avx512", lambda: avx512)
    monkeypatch.setattr(module, "mkl_has_intel_kernels", lambda: intel)
    monkeypatch.setattr(module, "onednn", lambda *given: calls.append(given) or onednn(*given))
    torch.manual_seed(1)
    inputs, weight = torch.randn(9, 257), torch.randn(output, 257)
    for x, w in ((inputs, weight), (inputs.double(), weight.double())):
        torch.testing.assert_close(linear(x, w), F.linear(x, w), **TOLERANCE)
    monkeypatch.setattr(module, "onednn", onednn)
    return len(calls)


@pytest.mark.parametrize("intel", [False, True])
def test_without_avx512_blas_multiplies_by_a_matrix_of_a_multiple_of_eight_rows(intel, monkeypatch):
    shares = [onednns_share(monkeypatch, n, avx512=False, intel=intel) for n in (512, 513)]
    assert shares == [0, 1]


@pytest.mark.parametrize(("intel", "share"), [(False, 1), (True, 0)])
def test_with_avx512_blas_multiplies_where_it_is_wide(intel, share, monkeypatch):
    shares = [onednns_share(monkeypatch, n, avx512=True, intel=intel) for n in (512, 513)]
    assert shares == [share, share]


ASKED = "from seq2seq_lab.model.kernel import linear; print(linear.mkl_has_intel_kernels())"


def answer_with(library: str | None) -> str:
    """Ask a process of its own, with a library before all others."""
    environment = {name: text for name, text in os.environ.items() if name != "LD_PRELOAD"}
    environment |= {} if library is None else {"LD_PRELOAD": library}
    done = subprocess.run(
        [sys.executable, "-c", ASKED], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.skipif(
    sys.platform != "linux" or not torch.backends.mkl.is_available(), reason="needs MKL on Linux"
)
def test_it_hears_what_mkl_hears(tmp_path):
    is_intel = "GenuineIntel" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    assert answer_with(None) == str(is_intel)
    if (compiler := shutil.which("cc")) is None:
        pytest.skip("no C compiler: what a preloaded library says is not tested")
    for says in (0, 1):
        library = str(tmp_path / f"says_{says}.so")
        code = f"int mkl_serv_intel_cpu_true(void) {{ return {says}; }}"
        command = [compiler, "-x", "c", "-shared", "-fPIC", "-o", library, "-"]
        subprocess.run(command, input=code, text=True, check=True)
        assert answer_with(library) == str(bool(says))


def test_gradients_of_gradients_are_torchs_own():
    torch.manual_seed(1)
    inputs, weight = (torch.randn(n, 2053, requires_grad=True) for n in (46, 47))

    def second(product) -> list[torch.Tensor]:
        total = product(inputs, weight).square().sum()
        first = torch.autograd.grad(total, [inputs, weight], create_graph=True)
        return list(torch.autograd.grad(sum(one.sum() for one in first), [inputs, weight]))

    assert inputs.numel() * len(weight) >= module.LEAST
    torch.testing.assert_close(second(linear), second(F.linear), atol=1e-2, rtol=1e-4)


def test_planted_gradient_by_the_matrix_itself_is_caught(monkeypatch, avx512):
    onednn = module.onednn
    monkeypatch.setattr(module, "onednn", lambda x, w, b, base: onednn(x.flip(1), w, b, base))
    with torch.no_grad(), pytest.raises(AssertionError):
        check_gradients_of_many_rows()


def test_planted_forgotten_bias_is_caught(monkeypatch):
    onednn = module.onednn
    monkeypatch.setattr(module, "onednn", lambda x, w, bias, base: onednn(x, w, None, base))
    with pytest.raises(AssertionError):
        test_it_equals_torchs_own((7,), INPUT)


@pytest.mark.parametrize("has_base", [False, True])
@pytest.mark.parametrize("has_bias", [False, True])
def test_a_loop_over_a_packed_matrix_equals_the_plain_one(has_base, has_bias):
    def run(make):
        inputs, weight, bias = parts(3, 5)
        product = make(weight, bias if has_bias else None)
        bases = torch.ones(3, 7, OUTPUT, requires_grad=True)
        made = [product(x, b[:5] if has_base else None) for x, b in zip(inputs, bases, strict=True)]
        (torch.stack(made) * torch.arange(OUTPUT).cos()).sum().backward()
        leaves = [weight, inputs, *([bias] if has_bias else []), *([bases] if has_base else [])]
        return [*made, *(leaf.grad for leaf in leaves)]

    torch.testing.assert_close(run(deferred), run(plain), **TOLERANCE)


def test_a_matrix_is_packed_by_the_first_product_of_enough_rows(monkeypatch):
    made = []
    monkeypatch.setattr(products, "packed", lambda w, rows: made.append(rows) or packed(w, rows))
    inputs, weight, bias = (one.detach() for one in parts(7))
    with torch.no_grad():
        product = deferred(weight, bias)
        found = []
        for rows, calls in ((1, []), (products.FEWEST - 1, []), (5, [5]), (2, [5]), (7, [5])):
            found.append((product(inputs[:rows], None), F.linear(inputs[:rows], weight, bias)))
            assert made == calls
    for one, expected in found:
        torch.testing.assert_close(one, expected, **TOLERANCE)


def test_only_large_float32_matrices_outside_autocast_and_tracing_take_it(monkeypatch):
    weight = torch.randn(OUTPUT, INPUT)
    assert prefers_onednn(weight)
    assert not prefers_onednn(weight.double())
    assert not prefers_onednn(weight.to("meta"))
    assert not prefers_onednn(weight[:50])
    assert not prefers_onednn(weight[:50], rows=640)
    assert prefers_onednn(weight[:50], rows=641)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not prefers_onednn(weight)
    with torch.backends.mkldnn.flags(enabled=False):
        assert not prefers_onednn(weight)
    monkeypatch.setattr(torch.jit, "is_tracing", lambda: True)
    assert not prefers_onednn(weight)


def test_a_layer_has_torchs_names_and_start():
    torch.manual_seed(1)
    ours = Linear(INPUT, OUTPUT)
    torch.manual_seed(1)
    theirs = torch.nn.Linear(INPUT, OUTPUT)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), atol=0, rtol=0)
