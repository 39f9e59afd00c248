"""The three decoder structures; a new one is found by itself."""

import pytest
import torch

from seq2seq_lab.model import context as context_module
from seq2seq_lab.model.context import Context
from seq2seq_lab.testing import check_context
from seq2seq_lab.testing.context import (
    a_step_reads_something,
    make_memory,
    the_summary_is_as_wide_as_announced,
)
from support.tiny_models import construct, dials, nodes, public_subclasses, targets

NODES = nodes("context")


def make(name: str) -> Context:
    return construct(NODES[name], dials())


def test_classes_and_yaml_files_are_the_same_set():
    assert targets("context") == public_subclasses(context_module, Context) != set()


@pytest.mark.parametrize("name", list(NODES))
def test_the_summary_is_as_wide_as_announced(name):
    the_summary_is_as_wide_as_announced(make(name))


@pytest.mark.parametrize("name", list(NODES))
def test_a_decoder_reads_its_own_output_or_the_source_at_every_step(name):
    a_step_reads_something(make(name))


@pytest.mark.parametrize("name", ["every_step", "every_step_and_output"])
def test_the_summary_is_the_final_top_state(name):
    memory = make_memory()
    assert torch.equal(make(name).summary(memory), memory.hidden[:, 1])


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


class Nothing(Context):
    """Reads nothing at all."""

    every_step = feeds_output = False


class WholeMemory(Context):
    """Announces another width than it returns."""

    def summary(self, memory):
        return memory.hidden.flatten(1)


def test_structures_of_ours_pass_the_check():
    check_context(context_module.EveryStepContext)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (Nothing, "reads the output before or the source"),
        (WholeMemory, r"summary of shape \[3, 12\] with dim=6"),
    ],
)
def test_planted_structure_is_caught_and_named(kind, named):
    with pytest.raises(AssertionError, match=named):
        check_context(kind)
