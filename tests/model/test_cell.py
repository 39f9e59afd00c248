"""Every cell that has a class or a yaml file; a new one is found by itself."""

import pytest
import torch
from torch import nn

from laws import assert_equal, gradients
from seq2seq_lab.model import cell as cell_module
from tiny_models import class_of, nodes, public_subclasses, targets

NODES = nodes("cell")
EVERY = pytest.mark.parametrize("name", list(NODES))
SINGLE = {nn.RNN: torch.rnn_tanh_cell, nn.GRU: torch.gru_cell, nn.LSTM: torch.lstm_cell}


def make(name: str, **settings):
    return class_of(NODES[name])(3, 5, **settings).double()


def states(cell, rows: int = 3):
    hidden = torch.randn(rows, 1, 5, dtype=torch.float64)
    return hidden, torch.randn_like(hidden) if cell.has_cell else hidden[..., :0]


def test_classes_and_yaml_files_are_the_same_set():
    assert targets("cell") == public_subclasses(cell_module, cell_module.Cell) != set()


def steps_equal_the_sequence(cell) -> None:
    inputs, (hidden, memory) = torch.randn(3, 7, 3, dtype=torch.float64), states(cell)
    outputs, final = cell.sequence(inputs, (hidden, memory))
    now = (hidden[:, 0], memory[:, 0])
    for t in range(7):
        now = cell.step(cell.project(inputs[:, t]), now)
        assert_equal(now[0], outputs[:, t])
    assert_equal((now[0], now[1]), (final[0][:, 0], final[1][:, 0]))


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


@pytest.mark.parametrize(
    "name", [n for n in NODES if set(SINGLE) & set(class_of(NODES[n]).__mro__)]
)
def test_step_equals_the_single_cell_of_torch(name):
    cell = make(name)
    single = next(SINGLE[kind] for kind in type(cell).__mro__ if kind in SINGLE)
    inputs, (hidden, memory) = torch.randn(3, 3, dtype=torch.float64), states(cell)
    before = (hidden[:, 0], memory[:, 0]) if cell.has_cell else hidden[:, 0]
    weights = (cell.weight_ih_l0, cell.weight_hh_l0, cell.bias_ih_l0, cell.bias_hh_l0)
    expected = single(inputs, before, *weights)
    found = cell.step(cell.project(inputs), (hidden[:, 0], memory[:, 0]))
    assert_equal(found if cell.has_cell else found[0], expected)


@EVERY
def test_projection_of_later_columns_uses_their_weights(name):
    cell = make(name)
    part = torch.randn(2, 1, dtype=torch.float64)
    padded = torch.cat([torch.zeros(2, 2, dtype=torch.float64), part], dim=1)
    assert_equal(cell.project(part, start=2), cell.project(padded))


@EVERY
def test_every_parameter_gets_a_gradient(name):
    cell = make(name)
    outputs, _ = cell.sequence(torch.randn(3, 7, 3, dtype=torch.float64), states(cell))
    assert all(bool(g.any()) for g in gradients(cell, outputs.pow(2).sum()).values())


@EVERY
def test_states_are_batch_first_for_every_layer_and_direction(name):
    cell = make(name, num_layers=2, bidirectional=True)
    _, (hidden, memory) = cell.sequence(torch.randn(3, 7, 3, dtype=torch.float64))
    assert hidden.shape == (3, 4, 5)
    assert memory.shape == (3, 4, 5 if cell.has_cell else 0)


@EVERY
@pytest.mark.parametrize("settings", [{"num_layers": 0}, {"dropout": 1.5}, {"dropout": -0.1}])
def test_a_setting_out_of_range_is_refused_by_name(name, settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        make(name, **settings)


@EVERY
def test_dropout_of_a_single_layer_warns_of_nothing(name, recwarn):
    make(name, dropout=0.3)
    assert len(recwarn) == 0
