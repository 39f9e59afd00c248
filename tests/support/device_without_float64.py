"""A simulated accelerator without float64, as MPS is one: the processor, with a mark on the tensors that lie "there".

On the device are parameters, what `.to(device)` or `device=` put there, and whatever is computed of them, backward
included. `.cpu()` and `.to(float64.CPU)` bring a tensor home. A float64 tensor on the device raises TypeError.
What is not simulated: operations that MPS lacks, and the refusal to mix tensors of two devices.
"""

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from seq2seq_lab import float64

HOME = torch.device("cpu", 0)
"""The processor itself; without a number, `cpu` is the simulated device."""


def tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def is_there(tensor: torch.Tensor) -> bool:
    return isinstance(tensor, torch.nn.Parameter) or getattr(tensor, "is_there", False)


def put_there(tensor: torch.Tensor) -> None:
    if tensor.dtype == torch.float64:
        raise TypeError("the simulated device has no float64")
    tensor.is_there = True


class _Operations(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.there = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if any(is_there(one) for one in tensors((args, kwargs))):
            self.there += 1
            for one in tensors(made):
                put_there(one)
        return made


class _Moves(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if func is torch.Tensor.cpu:
            return self.alone(made)
        places = [
            one for one in (*args[1:], *(kwargs or {}).values()) if isinstance(one, torch.device)
        ]
        if not places or not isinstance(made, torch.Tensor) or made.device.type != "cpu":
            return made
        if func is torch.Tensor.to and not isinstance(made, torch.nn.Parameter):
            made = self.alone(made)  # a tensor there is never the one on the processor
        if places != [HOME]:
            put_there(made)
        return made

    @staticmethod
    def alone(tensor: torch.Tensor) -> torch.Tensor:
        """Return a copy without the mark."""
        copy = tensor.clone()
        copy.is_there = False
        return copy


@contextlib.contextmanager
def simulated() -> Iterator[_Operations]:
    """Simulate the device within the block; `there` of what it gives counts the operations on the device."""
    operations = _Operations()
    with (
        mock.patch.object(float64, "WITHOUT", {"cpu"}),
        mock.patch.object(float64, "CPU", HOME),
        operations,
        _Moves(),
    ):
        yield operations
