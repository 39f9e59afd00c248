"""The properties of a recurrent cell, each as a function of one float64 cell, and `check_cell` over all of them."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from seq2seq_lab.doctor.agreement import agree, demand
from seq2seq_lab.doctor.paths import gradients
from seq2seq_lab.model.cell import Cell
from seq2seq_lab.testing.claims import Claim, hold

INPUT, DIM, ROWS, STEPS = 3, 5, 3, 7


def states(cell: Cell, rows: int = ROWS) -> tuple[Tensor, Tensor]:
    """Return random hidden and cell states of one layer, batch first."""
    hidden = torch.randn(rows, 1, DIM, dtype=torch.float64)
    return hidden, torch.randn_like(hidden) if cell.has_cell_state else hidden[..., :0]


def steps_equal_the_sequence(cell: Cell) -> None:
    """O6 for a cell: repeated `step` gives the outputs and the final state of `sequence`."""
    inputs, (hidden, memory) = torch.randn(ROWS, STEPS, INPUT, dtype=torch.float64), states(cell)
    outputs, final = cell.sequence(inputs, (hidden, memory))
    now = (hidden[:, 0], memory[:, 0])
    for t in range(STEPS):
        now = cell.step(cell.project(inputs[:, t]), now)
        agree(now[0], outputs[:, t], f"output of step {t}")
    agree((now[0], now[1]), (final[0][:, 0], final[1][:, 0]), "final states")


def later_columns_use_their_weights(cell: Cell) -> None:
    """`project(part, start)` is the projection of the columns from `start` on."""
    part = torch.randn(2, 1, dtype=torch.float64)
    padded = torch.cat([torch.zeros(2, INPUT - 1, dtype=torch.float64), part], dim=1)
    agree(
        cell.project(part, start=INPUT - 1), cell.project(padded), "projection of the last column"
    )


def every_parameter_is_trained(cell: Cell) -> None:
    """Every parameter gets a gradient."""
    outputs, _ = cell.sequence(torch.randn(ROWS, STEPS, INPUT, dtype=torch.float64), states(cell))
    found = gradients(cell, outputs.pow(2).sum())
    without = [name for name, g in found.items() if g is None or not g.any()]
    demand(not without, f"no gradient reaches {', '.join(without)}")


def states_are_batch_first(cell: Cell, layers: int = 2) -> None:
    """States of a bidirectional stack are (batch, layers x directions, dim)."""
    _, (hidden, memory) = cell.sequence(torch.randn(ROWS, STEPS, INPUT, dtype=torch.float64))
    shapes = [*hidden.shape], [*memory.shape]
    expected = [ROWS, 2 * layers, DIM], [ROWS, 2 * layers, DIM if cell.has_cell_state else 0]
    demand(shapes == expected, f"states of shapes {shapes[0]} and {shapes[1]}, not {expected}")


_TABLE: tuple[tuple[str, Any, str], ...] = (
    (
        "repeated steps equal the fused sequence (O6)",
        steps_equal_the_sequence,
        "Compare `gates` and `update` with torch's equations: the order of the gates, both biases",
    ),
    (
        "a projection of later columns uses their weights",
        later_columns_use_their_weights,
        "Take the columns from `start` on of weight_ih_l0",
    ),
    (
        "every parameter is trained (O12)",
        every_parameter_is_trained,
        "A parameter that nothing uses is no part of the cell",
    ),
)


def check_cell(cls: type[Cell], **arguments: Any) -> None:
    """Raise `AssertionError` unless a class of cell computes the same step by step and over a whole sequence.

    It is made with an input width, a width and `arguments`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        cell = cls(INPUT, DIM, **arguments).double().eval()
        stack = cls(INPUT, DIM, num_layers=2, bidirectional=True, **arguments).double().eval()
    claims = [Claim(name, partial(check, cell), advice) for name, check, advice in _TABLE]
    advice = "Return (hidden, cell state), batch first; a cell state of width 0 where has_cell_state is False"
    claims.append(Claim("states are batch first", partial(states_are_batch_first, stack), advice))
    hold(cls.__name__, claims)
