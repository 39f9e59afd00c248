"""Late modules: whoever asks for more finds the real module."""

import contextlib
import subprocess
import sys

import pytest

from seq2seq_lab.training.late_modules import late_modules

_LATE = """
import sys, types
import torch
from seq2seq_lab.training.late_modules import LateModule, late_modules

with late_modules():
    import pytorch_lightning as pl

names = ("torch._dynamo", "torch._inductor", "torchmetrics", "torchmetrics.utilities.plot")
assert all(type(sys.modules[name]) is LateModule for name in names), names
assert "torch._dynamo.eval_frame" not in sys.modules and "matplotlib" not in sys.modules
"""
_COMPILER = (
    _LATE
    + """
weight = torch.nn.Parameter(torch.ones(2))
optimizer = torch.optim.SGD([weight], lr=0.1)

def step():
    optimizer.zero_grad()
    weight.sum().backward()
    optimizer.step()

step()
torch.use_deterministic_algorithms(True)
assert type(sys.modules["torch._dynamo"]) is LateModule
log = pl.trainer.connectors.logger_connector.result._ResultCollection.log
assert log._torchdynamo_disable

@torch.compiler.disable
def mine(x):
    return x + 1

assert mine(1) == 2 and type(sys.modules["torch._dynamo"]) is LateModule
before = torch.optim.Optimizer.zero_grad.__wrapped__.__dict__["__dynamo_disable"]

from torch._dynamo import OptimizedModule
from torch._dynamo.testing import CompileCounter

assert all(type(sys.modules[name]) is types.ModuleType for name in names[:2])
assert torch._inductor.config.deterministic and torch._inductor.compile
counter = CompileCounter()
linear = torch.nn.Linear(2, 2)
compiled = torch.compile(linear, backend=counter)
asked = pl.utilities.compile.OptimizedModule
assert isinstance(compiled, OptimizedModule) and isinstance(compiled, asked) and not isinstance(linear, asked)
assert torch.equal(compiled(torch.ones(2)), linear(torch.ones(2))) and counter.frame_count == 1

@torch.compile(backend=counter)
def with_break(x):
    return mine(x * 2) * 3

assert float(with_break(torch.ones(()))) == 9.0
assert counter.frame_count == 3, counter.frame_count  # what comes before and after `mine`, and not `mine`
step()
assert torch.optim.Optimizer.zero_grad.__wrapped__.__dict__["__dynamo_disable"] is not before
print("well")
"""
)
_METRICS = (
    _LATE
    + """
assert "torchmetrics.functional" not in sys.modules
from torchmetrics import Metric
assert Metric is pl.core.module.Metric
from torchmetrics.text import WordErrorRate
import torchmetrics
assert issubclass(WordErrorRate, Metric) and torchmetrics.functional and torchmetrics.__version__
import torchmetrics.utilities.plot as plot
assert plot._CMAP_TYPE and plot.plot_single_or_multi_val.__module__ == "torchmetrics.utilities.plot"
assert all(type(sys.modules[name]) is types.ModuleType for name in names[2:])
metric = WordErrorRate()
metric.update(["a b"], ["a c"])
assert metric.compute() == 0.5 and "matplotlib" in sys.modules
figure, _ = metric.plot()
print("well")
"""
)


@pytest.mark.slow
@pytest.mark.parametrize("code", [_COMPILER, _METRICS], ids=["compiler", "metrics"])
def test_who_asks_for_more_finds_the_real_module(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=100
    )
    assert (done.returncode, done.stdout) == (0, "well\n"), done.stderr


def test_what_is_imported_already_stays_as_it_is():
    import torch._dynamo

    before, finders = torch._dynamo, [*sys.meta_path]
    with contextlib.suppress(KeyError), late_modules():
        assert sys.modules["torch._dynamo"] is before
        raise KeyError
    assert sys.modules["torch._dynamo"] is before
    assert sys.meta_path == finders
