"""`torch.cuda.make_graphed_callables` without a GPU: static memory as a CUDA graph has it, replay by calling again.

Inputs are copied into the buffers of the recording, outputs and gradients appear in the same memory each time. What a
replay does is computed anew on these buffers, so whatever is not in them has no effect, as with a graph.
"""

from typing import Any

import torch


class _Tape:
    """One recording: static inputs, outputs and gradients of a module's call."""

    def __init__(self, module: torch.nn.Module, samples: tuple[torch.Tensor, ...]):
        self.module, self.inputs = module, list(samples)
        self.surface = [*samples, *module.parameters()]
        self.trained = [one for one in self.surface if one.requires_grad]
        self.output = self._computed().detach().clone()
        self.replays = 0
        self.gradients: dict[int, torch.Tensor] = {}

    def _computed(self) -> torch.Tensor:
        with torch.enable_grad():
            self.fresh = self.module(*self.inputs)
        return self.fresh

    def refill(self, inputs: tuple[torch.Tensor, ...]) -> None:
        for static, given in zip(self.inputs, inputs, strict=True):
            if static.shape != given.shape or static.requires_grad != given.requires_grad:
                raise RuntimeError("a graph has fixed sizes")
            static.detach().copy_(given.detach())

    def replay(self) -> torch.Tensor:
        self.replays += 1
        self.output.copy_(self._computed().detach())
        return self.output.detach()

    def replay_backward(self, gradient: torch.Tensor) -> list[torch.Tensor | None]:
        found = torch.autograd.grad(
            self.fresh, self.trained, gradient, allow_unused=True, materialize_grads=False
        )
        for one, new in zip(self.trained, found, strict=True):
            if new is not None:
                self.gradients.setdefault(id(one), torch.empty_like(new)).copy_(new)
        return [
            self.gradients[id(one)].detach() if id(one) in self.gradients else None
            for one in self.surface
        ]


class _Replayed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tape: _Tape, count: int, *surface: torch.Tensor) -> torch.Tensor:
        ctx.tape = tape
        tape.refill(surface[:count])
        return tape.replay()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return None, None, *ctx.tape.replay_backward(gradient)


class Recorder:
    """Records like `torch.cuda.make_graphed_callables`; `tapes` are the recordings in their order."""

    def __init__(self) -> None:
        self.tapes: list[_Tape] = []

    def __call__(
        self,
        module: torch.nn.Module,
        samples: tuple[torch.Tensor, ...],
        *,
        allow_unused_input: bool,
    ) -> Any:
        assert allow_unused_input
        tape = _Tape(module, samples)
        self.tapes.append(tape)
        return lambda *inputs: _Replayed.apply(tape, len(inputs), *inputs, *module.parameters())
