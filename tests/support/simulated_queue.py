"""A simulated accelerator with a queue, as a GPU is one: the processor, counting where a program waits for it.

On the device are parameters, what `.to(device)` or `device=` put there, and whatever is computed of them. A wait is a
number that is read (`item`, `tolist`, `bool`, `.cpu()`), an operation whose result has a size that only the device
knows (`nonzero`, a mask as index ...), or a copy to the device without `non_blocking`. What is not simulated:
operations that a GPU lacks, and the refusal to mix tensors of two devices.
"""

import contextlib
import traceback
from collections.abc import Iterator
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from seq2seq_lab import device_queue
from support.device_without_float64 import is_there, tensors

aten = torch.ops.aten
ASKS_FOR_A_NUMBER = {
    aten._local_scalar_dense, aten.is_nonzero, aten.equal, aten.nonzero, aten.masked_select, aten._unique2,
    aten.unique_dim, aten.unique_consecutive, aten.bincount,
}  # fmt: skip
INDEXES = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_}
PACKS = {aten._pack_padded_sequence, aten._pad_packed_sequence}
READS = {torch.Tensor.tolist, torch.Tensor.numpy, torch.Tensor.cpu, torch.Tensor.__array__}
MAKES = {torch.tensor, torch.as_tensor, torch.Tensor.new_tensor}
HOME = torch.device("cpu", 0)
"""The processor itself; without a number, `cpu` is the simulated device."""


class Waits:
    """The places in the program where it waited, innermost frame of ours first."""

    def __init__(self) -> None:
        self.places: list[str] = []
        self.operations = 0

    def add(self, what: str) -> None:
        frames = [
            f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno}"
            for frame in reversed(traceback.extract_stack(limit=60))
            if "/torch/" not in frame.filename and "simulated_queue" not in frame.filename
        ]
        self.places.append(f"{what} at {' < '.join(frames[:4])}")


class _Operations(TorchDispatchMode):
    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self.waits = waits

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        there = any(is_there(one) for one in tensors((args, kwargs)))
        if there:
            self.waits.operations += 1
            if self.waits_for(func.overloadpacket, args):
                self.waits.add(str(func.overloadpacket))
        made = func(*args, **kwargs)
        if there:
            # sizes of packed batches are always on the processor
            on_device = made[:1] if func.overloadpacket in PACKS else made
            for one in tensors(on_device):
                one.is_there = True
        return made

    @staticmethod
    def waits_for(packet, args) -> bool:
        if packet in INDEXES:
            return any(one.dtype in (torch.bool, torch.uint8) for one in args[1] if one is not None)
        if packet is aten.repeat_interleave:
            return len(args) == 1 or isinstance(args[1], torch.Tensor)
        return packet in ASKS_FOR_A_NUMBER


class _Moves(TorchFunctionMode):
    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self.waits = waits

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        from_there = bool(args) and isinstance(args[0], torch.Tensor) and is_there(args[0])
        if func == torch.Tensor.device.__get__:
            return func(*args) if from_there else HOME
        if func in READS and from_there:
            self.waits.add(func.__name__)
        made = func(*args, **kwargs)
        return (
            _marked(made, there=False)
            if func is torch.Tensor.cpu
            else self._placed(func, made, args, kwargs, from_there=from_there)
        )

    def _placed(self, func, made, args, kwargs, *, from_there):
        """Return what was made where it belongs; a copy that the processor waits for is counted."""
        to = _target(args, kwargs)
        if func is torch.Tensor.new_tensor and from_there and to is None:
            to = torch.device("cpu")
        if to is None or not isinstance(made, torch.Tensor) or made.device.type != "cpu":
            return made
        if func is torch.Tensor.to:
            if from_there != (to != HOME):
                self._copy("to", args, kwargs)
            if from_there and to != HOME:
                return made
            return _marked(made, there=to != HOME)
        if to != HOME:
            if func in MAKES:
                self.waits.add(func.__name__)
            made.is_there = True
        return made

    def _copy(self, name, args, kwargs) -> None:
        if not kwargs.get("non_blocking"):
            self.waits.add(name)


def _marked(tensor: torch.Tensor, *, there: bool) -> torch.Tensor:
    """Return the tensor as one of its own, on the device or not; a parameter is always there."""
    if isinstance(tensor, torch.nn.Parameter):
        return tensor
    copy = tensor.clone()
    copy.is_there = there
    return copy


def _target(args, kwargs) -> torch.device | None:
    for one in (*args[1:], *kwargs.values()):
        if isinstance(one, torch.device):
            return one
        if isinstance(one, str) and one == "cpu":
            return torch.device(one)
        if isinstance(one, torch.Tensor):  # `to(other)`: where that one is
            return torch.device("cpu") if is_there(one) else HOME
    return None


@contextlib.contextmanager
def simulated() -> Iterator[Waits]:
    """Simulate the device within the block; yields the waits so far."""
    waits = Waits()
    with (
        mock.patch.object(device_queue, "WITH_QUEUE", {"cpu"}),
        _Operations(waits),
        _Moves(waits),
    ):
        yield waits
