"""The properties of a decoder structure, each as a function of one context, and `check_context` over all of them."""

from functools import partial
from typing import Any

import torch

from seq2seq_lab.doctor.agreement import demand
from seq2seq_lab.model.context import Context
from seq2seq_lab.model.state import Memory
from seq2seq_lab.testing.claims import Claim, hold

DIM = 6


def make_memory() -> Memory:
    """Return random states of three sentences and two layers."""
    mask = torch.ones(3, 5, dtype=torch.bool)
    return Memory(torch.randn(3, 5, DIM), mask, torch.randn(3, 2, DIM), torch.zeros(3, 2, 0))


def the_summary_is_as_wide_as_announced(context: Context) -> None:
    """`summary` is (batch, `dim`)."""
    shape = [*context.summary(make_memory()).shape]
    demand(shape == [3, context.dim], f"a summary of shape {shape} with dim={context.dim}")


def a_step_reads_something(context: Context) -> None:
    """A decoder reads its own output or the source at every step."""
    demand(context.feeds_output or context.dim > 0, "feeds_output=False and dim=0")


def check_context(cls: type[Context], **arguments: Any) -> None:
    """Raise `AssertionError` unless a class of decoder structure says truly what enters each step.

    It is made with `memory_dim` and `arguments`.
    """
    context = cls(memory_dim=DIM, **arguments)
    hold(
        cls.__name__,
        [
            Claim(
                "the summary is as wide as announced",
                partial(the_summary_is_as_wide_as_announced, context),
                "Set `dim` to the width that `summary` returns, 0 where it returns nothing",
            ),
            Claim(
                "a step reads the output before or the source",
                partial(a_step_reads_something, context),
                "Let feeds_output or every_step be true",
            ),
        ],
    )
