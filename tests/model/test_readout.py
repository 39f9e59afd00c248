"""Every readout that has a class or a yaml file; a new one is found by itself."""

import pytest
import torch

from seq2seq_lab.model import readout as readout_module
from seq2seq_lab.model.readout import DeepReadout, Readout, StateContextReadout, StateReadout
from seq2seq_lab.testing import check_readout
from seq2seq_lab.testing.readout import (
    all_steps_at_once_equal_one_at_a_time,
    connected,
    dropout_acts_in_training_only,
    parts,
    says_truly_what_it_uses,
)
from support.model_properties import assert_equal
from support.tiny_models import construct, dials, nodes, public_subclasses, targets

NODES = nodes("readout")
EVERY = pytest.mark.parametrize("name", list(NODES))
PARTS = parts()


def make(name: str) -> Readout:
    return connected(construct(NODES[name], dials(decoder=5)))


def test_classes_and_yaml_files_are_the_same_set():
    assert targets("readout") == public_subclasses(readout_module, Readout) != set()


@EVERY
def test_all_steps_at_once_equal_one_step_at_a_time(name):
    all_steps_at_once_equal_one_at_a_time(make(name))


@EVERY
@pytest.mark.parametrize(("part", "flag"), [(1, "uses_context"), (2, "uses_embedding")])
def test_a_readout_says_truly_what_it_uses(name, part, flag):
    says_truly_what_it_uses(make(name), part, flag)


def test_state_readout_is_the_state_itself():
    assert torch.equal(make("state")(*PARTS), PARTS[0])


@pytest.mark.parametrize(("kind", "count"), [(StateContextReadout, 2), (DeepReadout, 3)])
def test_joined_readouts_equal_their_formula(kind, count):
    readout = connected(kind(4))
    joined = torch.cat(PARTS[:count], dim=-1)
    weight, bias = readout.layer.weight, readout.layer.bias
    for row in range(3):
        for step in range(7):
            assert_equal(readout(*PARTS)[row, step], torch.tanh(weight @ joined[row, step] + bias))


@EVERY
def test_dropout_acts_in_training_only(name):
    dropout_acts_in_training_only(connected(construct(NODES[name], dials(decoder=5, dropout=0.5))))


def test_state_readout_of_another_width_is_refused():
    with pytest.raises(ValueError, match=r"readout dim=4: must equal the decoder's dim=5"):
        connected(StateReadout(4))


@EVERY
def test_dropout_out_of_range_is_refused(name):
    with pytest.raises(ValueError, match=r"dropout=1.5: must be in \[0, 1\)"):
        construct(NODES[name], dials(dropout=1.5))


class Secretive(DeepReadout):
    """Reads the embedding and says that it does not."""

    uses_embedding = False

    def connect(self, *, state_dim, context_dim, embedding_dim):
        super().connect(
            state_dim=state_dim + embedding_dim, context_dim=context_dim, embedding_dim=0
        )

    def join(self, state, context, embedded):
        return torch.cat([state, context, embedded], dim=-1)


class OverTheSteps(StateContextReadout):
    """Subtracts the mean of all steps."""

    def activate(self, projected):
        return super().activate(projected - projected.mean(dim=-2, keepdim=True))


class NeverDrops(StateContextReadout):
    """Forgets its dropout."""

    def activate(self, projected):
        return torch.tanh(projected)


@pytest.mark.parametrize("kind", [StateReadout, DeepReadout])
def test_readouts_of_ours_pass_the_check(kind):
    check_readout(kind)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (Secretive, "uses_embedding=False, and another value has an effect"),
        (OverTheSteps, "all steps at once equal one at a time"),
        (NeverDrops, "dropout acts in training only: no output is dropped"),
    ],
)
def test_planted_readout_is_caught_and_named(kind, named):
    with pytest.raises(AssertionError, match=named):
        check_readout(kind)
