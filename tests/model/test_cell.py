"""Every cell that has a class or a yaml file; a new one is found by itself."""

import pytest
import torch
from torch import nn

from seq2seq_lab.model import cell as cell_module
from seq2seq_lab.model import layer_norm_cell
from seq2seq_lab.testing import check_cell
from seq2seq_lab.testing.cell import (
    every_parameter_is_trained,
    later_columns_use_their_weights,
    states,
    states_are_batch_first,
    steps_equal_the_sequence,
)
from support.model_properties import assert_equal
from support.tiny_models import class_of, nodes, public_subclasses, targets

NODES = nodes("cell")
EVERY = pytest.mark.parametrize("name", list(NODES))
SINGLE = {nn.RNN: torch.rnn_tanh_cell, nn.GRU: torch.gru_cell, nn.LSTM: torch.lstm_cell}
OF_TORCH = pytest.mark.parametrize(
    "name", [n for n in NODES if set(SINGLE) & set(class_of(NODES[n]).__mro__)]
)


def make(name: str, **settings):
    return class_of(NODES[name])(3, 5, **settings).double()


def test_classes_and_yaml_files_are_the_same_set():
    base, bases = cell_module.Cell, {layer_norm_cell.LayerNormCell}
    every = public_subclasses(cell_module, base) | public_subclasses(layer_norm_cell, base)
    assert targets("cell") == every - bases != set()


@EVERY
def test_repeated_step_equals_the_fused_sequence(name):
    steps_equal_the_sequence(make(name))


@EVERY
def test_planted_forgotten_recurrent_bias_is_caught(name, monkeypatch):
    cell = make(name)
    step = cell.step
    monkeypatch.setattr(cell, "step", lambda p, s: step(p, (s[0] + 1e-6, s[1])))
    with pytest.raises(AssertionError):
        steps_equal_the_sequence(cell)


@OF_TORCH
def test_step_equals_the_single_cell_of_torch(name):
    cell = make(name)
    single = next(SINGLE[kind] for kind in type(cell).__mro__ if kind in SINGLE)
    single = torch.rnn_relu_cell if name == "rnn_relu" else single
    inputs, (hidden, memory) = torch.randn(3, 3, dtype=torch.float64), states(cell)
    before = (hidden[:, 0], memory[:, 0]) if cell.has_cell_state else hidden[:, 0]
    weights = (cell.weight_ih_l0, cell.weight_hh_l0, cell.bias_ih_l0, cell.bias_hh_l0)
    expected = single(inputs, before, *weights)
    found = cell.step(cell.project(inputs), (hidden[:, 0], memory[:, 0]))
    assert_equal(found if cell.has_cell_state else found[0], expected)


@EVERY
def test_projection_of_later_columns_uses_their_weights(name):
    later_columns_use_their_weights(make(name))


@EVERY
def test_every_parameter_gets_a_gradient(name):
    every_parameter_is_trained(make(name))


@EVERY
def test_states_are_batch_first_for_every_layer_and_direction(name):
    states_are_batch_first(make(name, num_layers=2, bidirectional=True))


@EVERY
@pytest.mark.parametrize("settings", [{"num_layers": 0}, {"dropout": 1.5}, {"dropout": -0.1}])
def test_a_setting_out_of_range_is_refused_by_name(name, settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        make(name, **settings)


@EVERY
def test_dropout_of_a_single_layer_warns_of_nothing(name, recwarn):
    make(name, dropout=0.3)
    assert len(recwarn) == 0


# first weights


def drawn(name: str, **settings):
    torch.manual_seed(3)
    return class_of(NODES[name])(3, 5, num_layers=2, bidirectional=True, **settings)


def gates_are_rotations(cell) -> None:
    for name, weight in cell.named_parameters():
        if "weight_hh" in name:
            for gate in weight.double().split(5):
                torch.testing.assert_close(gate @ gate.T, torch.eye(5).double(), rtol=0, atol=1e-5)


@EVERY
def test_orthogonal_recurrent_weights_are_rotations_of_each_gate(name):
    gates_are_rotations(drawn(name, orthogonal=True))
    with pytest.raises(AssertionError):
        gates_are_rotations(drawn(name))


@pytest.mark.parametrize("name", [n for n in NODES if len(drawn(n).weight_hh_l0) > 5])
def test_planted_rotation_of_all_gates_as_one_is_caught(name):
    cell = drawn(name)
    for key, weight in cell.named_parameters():
        if "weight_hh" in key:
            nn.init.orthogonal_(weight)
    with pytest.raises(AssertionError):
        gates_are_rotations(cell)


@EVERY
def test_orthogonal_changes_no_other_weight(name):
    plain = dict(drawn(name).named_parameters())
    for key, weight in drawn(name, orthogonal=True).named_parameters():
        assert ("weight_hh" in key) != torch.equal(weight, plain[key]), key


@OF_TORCH
def test_first_weights_of_the_defaults_are_those_of_torch(name):
    kind = next(k for k in class_of(NODES[name]).__mro__ if k in SINGLE)
    torch.manual_seed(3)
    theirs = kind(3, 5, num_layers=2, bidirectional=True)
    for one, other in zip(drawn(name).parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)


def test_forget_bias_is_added_to_the_forget_gate_of_every_layer_and_direction():
    plain, biased = drawn("lstm"), drawn("lstm", forget_bias=1.5)
    changed = {"bias_ih_l0", "bias_ih_l0_reverse", "bias_ih_l1", "bias_ih_l1_reverse"}
    expected = torch.tensor([0.0] * 5 + [1.5] * 5 + [0.0] * 10)
    for name, weight in biased.named_parameters():
        difference = weight - getattr(plain, name)
        if name in changed:
            torch.testing.assert_close(difference, expected)
        else:
            assert not difference.any(), name


def test_forget_bias_opens_the_forget_gate():
    """With a large bias and no input the memory stays: it is the second gate that keeps."""
    cell = class_of(NODES["lstm"])(3, 5, forget_bias=30.0)
    for name, weight in cell.named_parameters():
        if "weight" in name:
            nn.init.zeros_(weight)
        elif "bias_ih" in name:
            weight.data[:5] = -30.0  # nothing enters
    memory = torch.randn(2, 5)
    _, after = cell.step(cell.project(torch.zeros(2, 3)), (torch.zeros(2, 5), memory))
    torch.testing.assert_close(after, memory)


def test_a_forget_bias_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="forget_bias=nan: must be finite"):
        make("lstm", forget_bias=float("nan"))


def test_the_relu_cell_cuts_at_zero():
    cell = make("rnn_relu")
    for weight in cell.parameters():
        nn.init.ones_(weight)
    hidden = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]], dtype=torch.float64)
    inputs = torch.tensor([[-2.0, -7.0, -9.0], [-2.0, -6.0, -9.0]], dtype=torch.float64)
    after = [cell.step(cell.project(row[None]), (hidden, hidden[:, :0]))[0] for row in inputs]
    assert [row.tolist() for row in after] == [[[0.0] * 5], [[0.0] * 5]]
    warmer = cell.step(cell.project(inputs[:1] + 3), (hidden, hidden[:, :0]))[0]
    assert warmer.tolist() == [[8.0] * 5]  # 1 - 4 - 6 + 1 of the input, 15 + 1 of the state


class SwappedGates(cell_module.GruCell):
    """Reset and update gate the wrong way round in single steps."""

    def gates(self, projected, hidden):
        one, other = super().gates(projected, hidden)
        swap = [1, 0, 2]
        return tuple(torch.cat([p.chunk(3, -1)[i] for i in swap], dim=-1) for p in (one, other))


@EVERY
def test_every_cell_passes_the_check(name):
    check_cell(class_of(NODES[name]))


def test_planted_order_of_the_gates_is_caught_and_named():
    with pytest.raises(
        AssertionError,
        match=r"repeated steps equal the fused sequence.*apart by.*order of the gates",
    ):
        check_cell(SwappedGates)
