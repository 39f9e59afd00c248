"""The loop of a decoder as CUDA graphs: recorded once for each bucket of sizes, then started by a single call.

A step of the loop is a dozen small kernels, and the CPU needs longer to start them than a GPU to run them. A graph has
fixed sizes and fixed memory, so a batch is padded up to the next bucket and copied there; what the padding gives is cut
off, and its gradient is zero.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from seq2seq_lab.model.checks import check_positive
from seq2seq_lab.model.output import CopyOutput
from seq2seq_lab.model.state import Memory

Recorded = Callable[..., Tensor]
Record = Callable[..., Any]
"""`torch.cuda.make_graphed_callables`, or what has its interface: (module, sample inputs) -> the recorded module."""


def reason_against(decoder: Any) -> str | None:
    """Return why there is nothing to record in this decoder, or None."""
    if isinstance(getattr(decoder, "mixture", None), CopyOutput):
        return (
            "model/output=copy reads the attention weights of the loop, which a graph does not give"
        )
    if not getattr(decoder, "feeds_back", False):
        return "nothing that a step makes enters the next one, so all steps are one call already"
    return None


class Loop(nn.Module):
    """A decoder's readouts as a function of tensors alone; its parameters are those of the decoder."""

    def __init__(self, decoder: nn.Module):
        super().__init__()
        self.decoder = decoder

    def forward(
        self, embedded: Tensor, states: Tensor, mask: Tensor, hidden: Tensor, cell_state: Tensor
    ) -> Tensor:
        """Return the vectors in front of the output layer for all steps."""
        memory = Memory(states, mask, hidden, cell_state)
        # a decoder whose loop is recorded has `RecordedLoop` in the place of its own method
        return type(self.decoder).readouts(self.decoder, embedded, memory)  # type: ignore[attr-defined]


def up_to_bucket(size: int, step: int) -> int:
    """Return the size rounded up to a multiple of the step."""
    return -(-size // step) * step


def padded(
    embedded: Float[Tensor, "batch target embedding"],
    memory: Memory,
    rows: int,
    source: int,
    target: int,
) -> tuple[Tensor, ...]:
    """Return the inputs of `Loop` for so many rows and positions: zeros, and a real token in each further row."""
    more = rows - len(embedded)
    mask = F.pad(memory.mask, (0, source - memory.mask.shape[1], 0, more))
    mask[len(embedded) :, 0] = True
    return (
        F.pad(embedded, (0, 0, 0, target - embedded.shape[1], 0, more)),
        F.pad(memory.states, (0, 0, 0, source - memory.states.shape[1], 0, more)),
        mask,
        F.pad(memory.hidden, (0, 0, 0, 0, 0, more)),
        F.pad(memory.cell_state, (0, 0, 0, 0, 0, more)),
    )


class RecordedLoop:
    """Takes the place of a recurrent decoder's `readouts` in training: the same values and gradients from a graph.

    Rows are padded to multiples of `rows`, source and target to multiples of `positions`. At most `most` graphs are
    recorded; sizes beyond them, evaluation and search run without one. Between two calls there must be a backward pass
    and an optimizer step: a graph writes its outputs and gradients to the same memory each time.
    """

    def __init__(
        self,
        decoder: nn.Module,
        rows: int = 16,
        positions: int = 8,
        most: int = 32,
        record: Record = torch.cuda.make_graphed_callables,
    ):
        check_positive(rows=rows, positions=positions, most=most)
        self.loop, self.record = Loop(decoder), record
        self.rows, self.positions, self.most = rows, positions, most
        self.recorded: dict[tuple, Recorded] = {}
        self._addresses: list[int] = []

    def __call__(
        self, embedded: Float[Tensor, "batch target embedding"], memory: Memory
    ) -> Float[Tensor, "batch target readout"]:
        """Return the vectors in front of the output layer for all steps, the inputs being given."""
        batch, target = embedded.shape[:2]
        sizes = (
            up_to_bucket(batch, self.rows),
            up_to_bucket(memory.mask.shape[1], self.positions),
            up_to_bucket(target, self.positions),
        )
        self._forget_if_moved()
        is_known = sizes in self.recorded
        trains = self.loop.decoder.training and torch.is_grad_enabled()
        if not trains or (not is_known and len(self.recorded) >= self.most):
            return self.loop(embedded, memory.states, memory.mask, memory.hidden, memory.cell_state)
        inputs = padded(embedded, memory, *sizes)
        if not is_known:
            samples = tuple(x.detach().clone().requires_grad_(x.requires_grad) for x in inputs)
            # a module of its own: `make_graphed_callables` replaces its `forward`
            loop = Loop(self.loop.decoder)
            self.recorded[sizes] = self.record(loop, samples, allow_unused_input=True)
        return self.recorded[sizes](*inputs)[:batch, :target]

    def _forget_if_moved(self) -> None:
        """Forget the graphs when the weights lie elsewhere: a graph reads them where they were."""
        addresses = [parameter.data_ptr() for parameter in self.loop.parameters()]
        if addresses != self._addresses:
            self.recorded.clear()
            self._addresses = addresses
