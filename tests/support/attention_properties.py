"""Every attention that a yaml file names, with every normalizer that it takes, for tests of their properties."""

from typing import Any

import pytest

from seq2seq_lab.config.signature import signature_of
from seq2seq_lab.model.attention import Attention, NoAttention
from seq2seq_lab.testing.attention_properties import WIDTH, randomized
from support.tiny_models import class_of, construct, dials, nodes

NODES = nodes("attention")
NORMALIZERS = nodes("normalizer")
ATTENDING = {name: node for name, node in NODES.items() if class_of(node) is not NoAttention}
TEMPERED = [n for n, node in ATTENDING.items() if "temperature" in node]


def takes_a_normalizer(name: str) -> bool:
    return "normalizer" in signature_of(NODES[name]["_target_"]).arguments


PARTS = [
    (name, normalizer)
    for name in ATTENDING
    for normalizer in (NORMALIZERS if takes_a_normalizer(name) else [None])
]
EVERY = pytest.mark.parametrize("name", list(ATTENDING))
EVERY_PAIR = pytest.mark.parametrize(("name", "normalizer"), PARTS)
"""All attentions, each with all normalizers that it takes."""


def make(name: str, normalizer: str | None = None, **arguments: Any) -> Attention:
    """Return the attention of a yaml file with large random weights."""
    if normalizer is not None:
        arguments["normalizer"] = construct(NORMALIZERS[normalizer], {})
    return randomized(construct(NODES[name] | arguments, dials(encoder=WIDTH, decoder=WIDTH)))
