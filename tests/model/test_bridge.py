"""Every bridge that has a class or a yaml file; a new one is found by itself."""

import pytest
import torch

from seq2seq_lab.model import bridge as bridge_module
from seq2seq_lab.model.bridge import Bridge, LastBridge, LinearBridge, MaxBridge, MeanBridge
from seq2seq_lab.testing import check_bridge
from seq2seq_lab.testing.bridge import (
    LENGTHS,
    every_parameter_is_trained,
    make_memory,
    padding_is_not_read,
    says_truly_whether_it_reads_the_source,
    states_fit_the_decoder,
)
from support.model_properties import assert_equal
from support.tiny_models import construct, dials, nodes, public_subclasses, targets

NODES = nodes("bridge")
EVERY = pytest.mark.parametrize("name", list(NODES))
CELL = pytest.mark.parametrize("has_cell_state", [False, True])


def make(name: str, has_cell_state: bool, layers: tuple[int, int] = (1, 1)) -> Bridge:
    bridge = construct(NODES[name], dials(layers=layers))
    bridge.connect(has_cell_state=has_cell_state)
    return bridge.double()


def test_classes_and_yaml_files_are_the_same_set():
    assert targets("bridge") == public_subclasses(bridge_module, Bridge) != set()


@EVERY
@CELL
@pytest.mark.parametrize("layers", [(1, 1), (2, 2), (3, 3)])
def test_states_are_batch_first_and_fit_the_decoder(name, has_cell_state, layers):
    bridge = make(name, has_cell_state, layers)
    states_fit_the_decoder(bridge, has_cell_state=has_cell_state)


@EVERY
@CELL
def test_every_parameter_is_trained(name, has_cell_state):
    every_parameter_is_trained(make(name, has_cell_state))


@EVERY
@CELL
def test_padding_is_not_read(name, has_cell_state):
    padding_is_not_read(make(name, has_cell_state))


@EVERY
def test_a_bridge_says_truly_whether_it_reads_the_source(name):
    says_truly_whether_it_reads_the_source(make(name, has_cell_state=True))


def test_zero_bridge_gives_zeros_and_owns_nothing():
    bridge = make("zero", has_cell_state=True)
    assert not any(part.any() for part in bridge(make_memory()))
    assert list(bridge.parameters()) == []


def test_learned_bridge_gives_every_sentence_the_same():
    hidden, cell = make("learned", has_cell_state=True, layers=(1, 2))(make_memory())
    assert torch.equal(hidden[0], hidden[2])
    assert torch.equal(cell[0], cell[2])
    assert not torch.equal(hidden, cell)


def test_last_bridge_gives_the_final_states_themselves():
    memory = make_memory(2)
    assert_equal(make("last", True, (2, 2))(memory), (memory.hidden, memory.cell_state))


def test_last_bridge_starts_a_cell_from_zeros_where_the_encoder_has_none():
    memory = make_memory(cell=0)
    assert_equal(
        make("last", has_cell_state=True)(memory), (memory.hidden, torch.zeros_like(memory.hidden))
    )


def test_last_bridge_refuses_other_sizes():
    with pytest.raises(ValueError, match=r"2 x 6 does not fit a decoder of 1 x 5.*linear"):
        LastBridge(6, 2, 5, 1)


def linear_matches_layers_from_the_top(
    encoder_layers: int, decoder_layers: int, sources: list[int]
) -> None:
    bridge = LinearBridge(6, encoder_layers, 6, decoder_layers)
    bridge.connect(has_cell_state=True)
    bridge.double()
    memory = make_memory(encoder_layers)
    hidden, cell = bridge(memory)
    for layer, source in enumerate(sources):
        for found, states, maps in (
            (hidden, memory.hidden, bridge.hidden),
            (cell, memory.cell_state, bridge.cell),
        ):
            weight, bias = maps[layer].weight, maps[layer].bias
            for row in range(3):
                assert_equal(found[row, layer], torch.tanh(weight @ states[row, source] + bias))


DEPTHS = [(1, 1, [0]), (2, 2, [0, 1]), (3, 2, [1, 2]), (1, 3, [0, 0, 0]), (2, 3, [0, 0, 1])]


@pytest.mark.parametrize(("encoder", "decoder", "sources"), DEPTHS)
def test_linear_bridge_matches_layers_from_the_top(encoder, decoder, sources):
    linear_matches_layers_from_the_top(encoder, decoder, sources)


def test_linear_bridge_makes_c_from_h_where_the_encoder_has_no_c():
    bridge = make("linear", has_cell_state=True)
    memory = make_memory(cell=0)
    layer = bridge.cell[0]
    assert_equal(
        bridge(memory)[1][:, 0], torch.tanh(memory.hidden[:, 0] @ layer.weight.T + layer.bias)
    )


@pytest.mark.parametrize(("kind", "summary"), [(MeanBridge, torch.mean), (MaxBridge, torch.amax)])
def test_mean_and_max_are_those_of_the_real_states(kind, summary):
    bridge = kind(6, 1, 6, 2)
    bridge.connect(has_cell_state=True)
    memory = make_memory(padding=50.0)
    hidden, cell = bridge.double()(memory)
    for row, length in enumerate(LENGTHS.tolist()):
        vector = summary(memory.states[row, :length], dim=0)
        for found, maps in ((hidden, bridge.hidden), (cell, bridge.cell)):
            for layer, one in enumerate(maps):
                assert_equal(found[row, layer], torch.tanh(one.weight @ vector + one.bias))


def test_planted_match_from_the_bottom_is_caught(monkeypatch):
    monkeypatch.setattr(Bridge, "layer", lambda self, i: min(i, self.memory_layers - 1))
    with pytest.raises(AssertionError):
        linear_matches_layers_from_the_top(3, 2, [1, 2])


def test_planted_maximum_over_the_padding_is_caught(monkeypatch):
    def vectors(self, memory):
        top = memory.states.amax(dim=1)
        return [top] * self.num_layers, [top] * self.num_layers

    monkeypatch.setattr(MaxBridge, "vectors", vectors)
    with pytest.raises(AssertionError):
        padding_is_not_read(make("max", has_cell_state=True))


class ReadsPadding(MeanBridge):
    """The mean of all columns."""

    def vectors(self, memory):
        mean = memory.states.mean(dim=1)
        return [mean] * self.num_layers, [mean] * self.num_layers


class Silent(LinearBridge):
    """Reads the source and says that it does not."""

    reads_source = False


class ReadsInSilence(LinearBridge):
    """Reads each state, and its base class says that it does not."""

    def vectors(self, memory):
        first = memory.states[:, 0]
        return [first] * self.num_layers, [first] * self.num_layers


class AlwaysACell(LastBridge):
    """Gives a cell state to cells that have none."""

    def forward(self, memory):
        return memory.hidden, memory.cell_state


def test_bridges_of_ours_pass_the_check():
    check_bridge(LinearBridge)
    check_bridge(LastBridge)
    check_bridge(MeanBridge)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (ReadsPadding, "padding is not read.*apart by.*masked_mean"),
        (Silent, "reads_source=False, and another source gives other states"),
        (ReadsInSilence, "reads_states=False, and other states at each position"),
        (AlwaysACell, "states fit the decoder"),
    ],
)
def test_planted_bridge_is_caught_and_named(kind, named):
    with pytest.raises(AssertionError, match=named):
        check_bridge(kind)
