"""The three decoder structures; a new one is found by itself."""

import pytest
import torch

from seq2seq_lab.model import context as context_module
from seq2seq_lab.model.context import Context
from seq2seq_lab.model.state import Memory
from support.tiny_models import construct, dials, nodes, public_subclasses, targets

NODES = nodes("context")
MEMORY = Memory(
    torch.randn(3, 5, 6),
    torch.ones(3, 5, dtype=torch.bool),
    torch.randn(3, 2, 6),
    torch.zeros(3, 2, 0),
)


def make(name: str) -> Context:
    return construct(NODES[name], dials())


def test_classes_and_yaml_files_are_the_same_set():
    assert targets("context") == public_subclasses(context_module, Context) != set()


@pytest.mark.parametrize("name", list(NODES))
def test_the_summary_is_as_wide_as_announced(name):
    assert make(name).summary(MEMORY).shape == (3, make(name).dim)


@pytest.mark.parametrize("name", list(NODES))
def test_a_decoder_reads_its_own_output_or_the_source_at_every_step(name):
    assert make(name).feeds_output or make(name).dim > 0


@pytest.mark.parametrize("name", ["every_step", "every_step_and_output"])
def test_the_summary_is_the_final_top_state(name):
    assert torch.equal(make(name).summary(MEMORY), MEMORY.hidden[:, 1])


@pytest.mark.parametrize(
    ("name", "structure"),
    [
        ("initial_state", (0, True)),
        ("every_step", (6, False)),
        ("every_step_and_output", (6, True)),
    ],
)
def test_the_structures_differ_in_what_enters_each_step(name, structure):
    assert (make(name).dim, make(name).feeds_output) == structure


def test_a_width_below_one_is_refused():
    with pytest.raises(ValueError, match="memory_dim=0: must be >= 1"):
        context_module.EveryStepContext(0)
