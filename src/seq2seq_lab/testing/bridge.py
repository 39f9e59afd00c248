"""The properties of a bridge, each as a function of one connected bridge, and `check_bridge` over all of them."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from seq2seq_lab.doctor.agreement import agree, demand
from seq2seq_lab.doctor.paths import gradients
from seq2seq_lab.model.bridge import Bridge
from seq2seq_lab.model.state import Memory
from seq2seq_lab.testing.claims import Claim, hold

LENGTHS = torch.tensor([5, 1, 3])
DIM = 6


def make_memory(layers: int = 1, dim: int = DIM, cell: int = DIM, padding: float = 0.0) -> Memory:
    """Return random states of three sentences; `cell` is the width of the cell state, `padding` what is masked."""
    generator = torch.Generator().manual_seed(3)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    mask = torch.arange(5) < LENGTHS.unsqueeze(1)
    states = draw(3, 5, dim).masked_fill(~mask.unsqueeze(-1), padding)
    return Memory(states, mask, draw(3, layers, dim), draw(3, layers, dim)[..., :cell])


def states_fit_the_decoder(bridge: Bridge, *, has_cell_state: bool) -> None:
    """Hidden and cell state are (batch, decoder layers, width), the cell state of width 0 without one."""
    hidden, cell = bridge(make_memory(bridge.memory_layers))
    shapes = [*hidden.shape], [*cell.shape]
    expected = [3, bridge.num_layers, DIM], [3, bridge.num_layers, DIM if has_cell_state else 0]
    demand(shapes == expected, f"states of shapes {shapes[0]} and {shapes[1]}, not {expected}")


def padding_is_not_read(bridge: Bridge) -> None:
    """O5 for a bridge: what stands under the mask has no effect."""
    expected = bridge(make_memory(bridge.memory_layers))
    for value in (100.0, -100.0, torch.nan):
        found = bridge(make_memory(bridge.memory_layers, padding=value))
        agree(found, expected, f"{value} under the mask: states")


def says_truly_whether_it_reads_the_source(bridge: Bridge) -> None:
    """`reads_source` says whether other sources give other states."""
    memory = make_memory(bridge.memory_layers)
    other = Memory(memory.states + 1, memory.mask, memory.hidden + 1, memory.cell_state + 1)
    pairs = zip(bridge(memory), bridge(other), strict=True)
    same = all(torch.equal(one, two) for one, two in pairs)
    stated = f"reads_source={bridge.reads_source}"
    demand(
        same is not bridge.reads_source,
        f"{stated}, and another source gives {'the same' if same else 'other'} states",
    )


def says_truly_whether_it_reads_each_state(bridge: Bridge) -> None:
    """Where `reads_states` is False, other states at each position give the same initial states."""
    memory = make_memory(bridge.memory_layers)
    other = Memory(memory.states + 1, memory.mask, memory.hidden, memory.cell_state)
    pairs = zip(bridge(memory), bridge(other), strict=True)
    same = all(torch.equal(one, two) for one, two in pairs)
    demand(
        same or bridge.reads_states,
        "reads_states=False, and other states at each position give other initial states",
    )


def every_parameter_is_trained(bridge: Bridge) -> None:
    """Every parameter gets a gradient."""
    total = sum(
        (part.pow(3).sum() for part in bridge(make_memory(bridge.memory_layers))),
        start=torch.zeros(()),
    )
    if total.requires_grad:
        found = gradients(bridge, total)
        without = [name for name, g in found.items() if g is None or not g.any()]
        demand(not without, f"no gradient reaches {', '.join(without)}")
    else:
        demand(not list(bridge.parameters()), "no gradient reaches its parameters")


_TABLE: tuple[tuple[str, Any, str], ...] = (
    (
        "padding is not read (O5)",
        padding_is_not_read,
        "Take masked means and maxima (`masked_mean` of seq2seq_lab.model.state)",
    ),
    (
        "reads_source is true where the source matters",
        says_truly_whether_it_reads_the_source,
        "Set the class attribute reads_source",
    ),
    (
        "reads_states is true where each position matters",
        says_truly_whether_it_reads_each_state,
        "Set the class attribute reads_states",
    ),
    (
        "every parameter is trained (O12)",
        every_parameter_is_trained,
        "Make the parts of the cell state in `connect`, only where has_cell_state is true",
    ),
)


def check_bridge(cls: type[Bridge], **arguments: Any) -> None:
    """Raise `AssertionError` unless a class of bridge gives decoders the states that they need.

    It is made with `memory_dim`, `memory_layers`, `dim`, `num_layers` and `arguments`, for equal and unequal depths
    (unequal ones may be refused), with a cell state and without.
    """
    for layers in ((1, 1), (2, 2), (1, 3), (3, 2)):
        for has_cell_state in (False, True):
            try:
                bridge = cls(
                    memory_dim=DIM,
                    memory_layers=layers[0],
                    dim=DIM,
                    num_layers=layers[1],
                    **arguments,
                )
            except ValueError:
                if layers[0] == layers[1]:
                    raise
                continue
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                bridge.connect(has_cell_state=has_cell_state)
            bridge.double().eval()
            claims = [Claim(name, partial(check, bridge), advice) for name, check, advice in _TABLE]
            fit = partial(states_fit_the_decoder, bridge, has_cell_state=has_cell_state)
            advice = "Return (hidden, cell state), batch first, for every layer of the decoder"
            claims.insert(0, Claim("states fit the decoder", fit, advice))
            subject = f"{cls.__name__}, {layers[0]} layers to {layers[1]}, has_cell_state={has_cell_state}"
            hold(subject, claims)
