"""Every readout that has a class or a yaml file; a new one is found by itself."""

import pytest
import torch

from seq2seq_lab.model import readout as readout_module
from seq2seq_lab.model.readout import DeepReadout, Readout, StateContextReadout, StateReadout
from support.model_properties import assert_equal
from support.tiny_models import construct, dials, nodes, public_subclasses, targets

NODES = nodes("readout")
EVERY = pytest.mark.parametrize("name", list(NODES))
PARTS = tuple(torch.randn(3, 7, width, dtype=torch.float64) for width in (5, 2, 3))


def connected(readout: Readout) -> Readout:
    readout.connect(state_dim=5, context_dim=2, embedding_dim=3)
    return readout.double()


def make(name: str) -> Readout:
    return connected(construct(NODES[name], dials(decoder=5)))


def test_classes_and_yaml_files_are_the_same_set():
    assert targets("readout") == public_subclasses(readout_module, Readout) != set()


@EVERY
def test_all_steps_at_once_equal_one_step_at_a_time(name):
    readout = make(name)
    steps = [readout(*(part[:, t] for part in PARTS)) for t in range(7)]
    assert_equal(readout(*PARTS), torch.stack(steps, dim=1))


@EVERY
@pytest.mark.parametrize(("part", "flag"), [(1, "uses_context"), (2, "uses_embedding")])
def test_a_readout_says_truly_what_it_uses(name, part, flag):
    readout = make(name)
    changed = [p + 1 if i == part else p for i, p in enumerate(PARTS)]
    assert torch.equal(readout(*PARTS), readout(*changed)) is not getattr(readout, flag)


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
    readout = connected(construct(NODES[name], dials(decoder=5, dropout=0.5)))
    assert (readout.train()(*PARTS) == 0).any()
    assert not (readout.eval()(*PARTS) == 0).any()


def test_state_readout_of_another_width_is_refused():
    with pytest.raises(ValueError, match=r"readout dim=4: must equal the decoder's dim=5"):
        connected(StateReadout(4))


@EVERY
def test_dropout_out_of_range_is_refused(name):
    with pytest.raises(ValueError, match=r"dropout=1.5: must be in \[0, 1\)"):
        construct(NODES[name], dials(dropout=1.5))
