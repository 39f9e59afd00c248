"""The LSTM of several seeds over all steps, with a backward pass of its own.

Each step is one batched product [input; state] x [W; U] and a few operations in place. The rows of W for the new
content are doubled, so that one sigmoid serves all gates: tanh(x) = 2 sigmoid(2 x) - 1, several times faster than
torch's tanh on a CPU. The gradients of the weights are one product over all steps.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

HOLD = 1e4
"""Added to or taken from a gate it makes the sigmoid exactly 1 or 0: a state holds on padding."""


class _Lstm(torch.autograd.Function):
    """Rows of a step lie side by side; the gates are in torch's order: input, forget, new, output."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        hidden: Tensor,
        cell_state: Tensor,
        of_inputs: Tensor,
        of_state: Tensor,
        bias: Tensor,
        padding: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        seeds, steps, rows, width = inputs.shape
        dim = hidden.shape[-1]
        read = inputs.new_empty(seeds, steps + 1, rows, width + dim)
        read[:, :steps, :, :width] = inputs
        read[:, 0, :, width:] = hidden
        weight = torch.cat([of_inputs, of_state], dim=2).transpose(1, 2).contiguous()
        shift = bias.unsqueeze(1).clone()
        weight[..., 2 * dim : 3 * dim] *= 2
        shift[..., 2 * dim : 3 * dim] *= 2
        gates = inputs.new_empty(steps, seeds, rows, 4 * dim)
        cells = inputs.new_empty(steps + 1, seeds, rows, dim)
        squashed = inputs.new_empty(steps, seeds, rows, dim)
        outputs = inputs.new_empty(steps, seeds, rows, dim)
        cells[0] = cell_state
        hold = _hold(padding, inputs)
        for t in range(steps):
            now = torch.baddbmm(shift, read[:, t], weight, out=gates[t])
            for held in hold[t]:
                now[..., :dim] -= held
                now[..., dim : 2 * dim] += held
            enter, forget, new, leave = now.sigmoid_().split(dim, dim=-1)
            cell = torch.mul(forget, cells[t], out=cells[t + 1])
            cell.addcmul_(enter, new, value=2).sub_(enter)
            tanh = torch.mul(cell, 2, out=squashed[t]).sigmoid_().mul_(2).sub_(1)
            read[:, t + 1, :, width:] = torch.mul(leave, tanh, out=outputs[t])
        ctx.save_for_backward(read, gates, cells, squashed, of_inputs, of_state)
        return outputs, cells[steps].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_outputs: Tensor, to_cell: Tensor) -> tuple[Tensor | None, ...]:
        read, gates, cells, squashed, of_inputs, of_state = ctx.saved_tensors
        steps, seeds, rows, dim = squashed.shape
        width = read.shape[-1] - dim
        to_gates = read.new_empty(seeds, steps, rows, 4 * dim)
        to_hidden = torch.zeros_like(squashed[0])
        to_cell = to_cell.clone()
        for t in reversed(range(steps)):
            to_hidden += to_outputs[t]
            now = to_gates[:, t]
            to_enter, to_forget, to_new, to_leave = now.split(dim, dim=-1)
            enter, forget, new, leave = gates[t].split(dim, dim=-1)
            torch.mul(to_hidden, squashed[t], out=to_leave)
            to_hidden.mul_(leave)
            to_cell.add_(to_hidden).addcmul_(to_hidden, squashed[t].square(), value=-1)
            torch.mul(to_cell, new, out=to_enter).mul_(2).sub_(to_cell)
            torch.mul(to_cell, cells[t], out=to_forget)
            torch.mul(to_cell, enter, out=to_new).mul_(4)
            to_cell.mul_(forget)
            now.mul_(torch.addcmul(gates[t], gates[t], gates[t], value=-1))
            torch.bmm(now, of_state, out=to_hidden)
        flat = to_gates.flatten(1, 2)
        to_weight = torch.bmm(flat.transpose(1, 2), read[:, :steps].flatten(1, 2))
        to_inputs = None
        if ctx.needs_input_grad[0]:
            to_inputs = torch.bmm(flat, of_inputs).unflatten(1, (steps, rows))
        return (
            to_inputs,
            to_hidden,
            to_cell,
            to_weight[..., :width],
            to_weight[..., width:],
            flat.sum(1),
            None,
        )


def _hold(padding: Tensor | None, like: Tensor) -> list[list[Tensor]]:
    """Return for each step what keeps the state of its padded rows; nothing for a step without any."""
    if padding is None:
        return [[]] * like.shape[1]
    has_padding = padding.any(2).any(0).tolist()
    steps = (padding.to(like.dtype) * HOLD).unsqueeze(-1).unbind(1)
    return [[hold] if has else [] for hold, has in zip(steps, has_padding, strict=True)]


def lstm(
    inputs: Float[Tensor, "seeds steps rows input"],
    state: tuple[Float[Tensor, "seeds rows dim"], Float[Tensor, "seeds rows dim"]],
    weights: tuple[Tensor, Tensor, Tensor, Tensor],
    padding: Bool[Tensor, "seeds steps rows"] | None = None,
) -> tuple[Float[Tensor, "steps seeds rows dim"], Float[Tensor, "seeds rows dim"]]:
    """Return h at every step and the last c. On padding c stays as it is; h is not meant to be read there.

    `weights` are torch's four, each with a first axis for the seeds.
    """
    of_inputs, of_state, *biases = weights
    return _Lstm.apply(inputs, *state, of_inputs, of_state, biases[0] + biases[1], padding)
