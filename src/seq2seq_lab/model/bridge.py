"""Bridges: the decoder's initial states from the encoder's final ones.

A bridge returns (hidden, cell state), each (batch, decoder layers, width). Layers are matched from the top down, so
that the top layer of the decoder starts from the top layer of the encoder whatever their depths; h and c are mapped
separately.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seq2seq_lab.model.checks import check_positive
from seq2seq_lab.model.state import Memory, masked_mean

States = tuple[Float[Tensor, "batch layers dim"], Float[Tensor, "batch layers cell"]]


class Bridge(nn.Module):
    """Base class of what maps a memory to initial states.

    `reads_source` is False where they do not depend on the source, `reads_states` where they do not depend on the
    encoder's states at each position.
    """

    reads_source = True
    reads_states = True

    def __init__(self, memory_dim: int, memory_layers: int, dim: int, num_layers: int):
        super().__init__()
        check_positive(memory_dim=memory_dim, memory_layers=memory_layers)
        check_positive(dim=dim, num_layers=num_layers)
        self.memory_dim, self.memory_layers = memory_dim, memory_layers
        self.dim, self.num_layers = dim, num_layers

    def connect(self, *, has_cell_state: bool) -> None:
        """Make the parts that depend on the decoder's cell; the decoder calls this once."""
        self.cell_dim = self.dim if has_cell_state else 0

    def layer(self, index: int) -> int:
        """Return the encoder layer matched with this decoder layer: counted from the top, never below 0."""
        return max(0, index + self.memory_layers - self.num_layers)

    def forward(self, memory: Memory) -> States:
        """Return the decoder's initial states."""
        raise NotImplementedError


class ZeroBridge(Bridge):
    """The decoder starts from zeros."""

    reads_source = False
    reads_states = False

    def forward(self, memory: Memory) -> States:
        """Return zeros."""
        states, batch = memory.states, memory.states.shape[0]
        return (
            states.new_zeros(batch, self.num_layers, self.dim),
            states.new_zeros(batch, self.num_layers, self.cell_dim),
        )


class LearnedBridge(Bridge):
    """The decoder starts from trained constants, the same for every sentence."""

    reads_source = False
    reads_states = False

    def connect(self, *, has_cell_state: bool) -> None:
        """Make one constant per layer for h, and one for c where the cell has it."""
        super().connect(has_cell_state=has_cell_state)
        self.hidden = nn.Parameter(0.1 * torch.randn(self.num_layers, self.dim))
        self.cell = (
            nn.Parameter(0.1 * torch.randn(self.num_layers, self.dim)) if has_cell_state else None
        )

    def forward(self, memory: Memory) -> States:
        """Return the constants for every row."""
        batch = memory.states.shape[0]
        hidden = self.hidden.expand(batch, -1, -1)
        return hidden, hidden[..., :0] if self.cell is None else self.cell.expand(batch, -1, -1)


class LastBridge(Bridge):
    """The encoder's final states themselves (Sutskever et al. 2014); needs equal widths and depths."""

    reads_states = False

    def __init__(self, memory_dim: int, memory_layers: int, dim: int, num_layers: int):
        super().__init__(memory_dim, memory_layers, dim, num_layers)
        if (memory_dim, memory_layers) != (dim, num_layers):
            raise ValueError(
                f"the last state of an encoder of {memory_layers} x {memory_dim} does not fit a decoder of "
                f"{num_layers} x {dim}; use model/bridge=linear"
            )

    def forward(self, memory: Memory) -> States:
        """Return the final h, and the final c, or zeros where the encoder has none."""
        if self.cell_dim and not memory.cell_state.shape[-1]:
            return memory.hidden, torch.zeros_like(memory.hidden)
        return memory.hidden, memory.cell_state[..., : self.cell_dim]


class _Projected(Bridge):
    """Base class of the bridges that map one vector per layer by tanh(W x + b), h and c separately."""

    def __init__(self, memory_dim: int, memory_layers: int, dim: int, num_layers: int):
        super().__init__(memory_dim, memory_layers, dim, num_layers)
        self.hidden = nn.ModuleList(nn.Linear(memory_dim, dim) for _ in range(num_layers))

    def connect(self, *, has_cell_state: bool) -> None:
        """Make the maps of the cell states where the decoder has them."""
        super().connect(has_cell_state=has_cell_state)
        width = self.memory_dim
        maps = [nn.Linear(width, self.dim) for _ in self.hidden] if has_cell_state else []
        self.cell = nn.ModuleList(maps)

    def vectors(self, memory: Memory) -> tuple[list[Tensor], list[Tensor]]:
        """Return the vectors from which each decoder layer's h and c are computed."""
        raise NotImplementedError

    def forward(self, memory: Memory) -> States:
        """Return the projected states."""
        for_hidden, for_cell_state = self.vectors(memory)
        hidden = [torch.tanh(m(x)) for m, x in zip(self.hidden, for_hidden, strict=True)]
        stacked = torch.stack(hidden, dim=1)
        if not self.cell_dim:
            return stacked, stacked[..., :0]
        cell_states = [torch.tanh(m(x)) for m, x in zip(self.cell, for_cell_state, strict=True)]
        return stacked, torch.stack(cell_states, dim=1)


class LinearBridge(_Projected):
    """tanh(W h + b) of the final states, one map per layer, for any two sizes."""

    reads_states = False

    def vectors(self, memory: Memory) -> tuple[list[Tensor], list[Tensor]]:
        """Return the final states, c from c where the encoder has one and else from h."""
        cell_state = memory.cell_state if memory.cell_state.shape[-1] else memory.hidden
        layers = [self.layer(i) for i in range(self.num_layers)]
        return [memory.hidden[:, i] for i in layers], [cell_state[:, i] for i in layers]


class MeanBridge(_Projected):
    """tanh(W m + b) of the mean over the real source states (as in Sennrich et al. 2017)."""

    def vectors(self, memory: Memory) -> tuple[list[Tensor], list[Tensor]]:
        """Return the mean for every layer."""
        mean = masked_mean(memory.states, memory.mask)
        return [mean] * self.num_layers, [mean] * self.num_layers


class MaxBridge(_Projected):
    """tanh(W m + b) of the maximum over the real source states, component by component."""

    def vectors(self, memory: Memory) -> tuple[list[Tensor], list[Tensor]]:
        """Return the maximum for every layer."""
        top = memory.states.masked_fill(~memory.mask.unsqueeze(-1), -torch.inf).amax(dim=1)
        return [top] * self.num_layers, [top] * self.num_layers
