"""Every key of conf/model is alive: another value of it changes the graph, the weights or what the model computes."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from seq2seq_lab.config.build import build
from seq2seq_lab.config.compose import compose
from support.tiny_models import CONF

SOURCE, TARGET = 11, 13
SIZES = ("model.dim=16", "model.embedding_dim=16", "model.num_layers=2")
VOCABULARY = (f"model.source_vocab_size={SOURCE}", f"model.target_vocab_size={TARGET}")
PARTNERS = {
    "attention/none": ("model/readout=state",),
    "readout/state": ("model/attention=none",),
    "feature_encoder": ("model.feature_encoder.text_vocab_size=8",),
    "position": ("model=transformer",),
    "norm": ("model=transformer",),
}
"""What a part needs beside itself, by its name or by its group."""
TWO_LAYERS = (
    "model.num_layers=2",
    "model.embedding_dim=128",
)  # residual sums and a tied output need them
HAVE_STACK = {"_recurrent", "hard_monotonic"}
ONE_VOCABULARY = "tie_source"


def base_of(file: Path) -> tuple[str, ...]:
    """Return the overrides that choose this file in a small model."""
    name = file.relative_to(CONF).with_suffix("").as_posix()
    group, _, option = name.rpartition("/")
    if not group:
        whole = "lstm_attn" if name == "_recurrent" else name
        layers = TWO_LAYERS if name in HAVE_STACK else ()
        return (f"model={whole}", *layers, *VOCABULARY)
    extra = PARTNERS.get(name, PARTNERS.get(group, ()))
    return (*extra, f"model/{group}={option}", *SIZES, *VOCABULARY)


def refers(value: Any) -> bool:
    """Tell whether a value is taken from elsewhere or filled later."""
    return isinstance(value, str) and ("${" in value or value == "???")


def literals(node: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """Return (dotted key, value) of the values that stand in the file itself."""
    for key, value in node.items():
        if isinstance(value, dict):
            yield from literals(value, f"{path}.{key}")
        elif not (key.startswith("_") or key == "defaults" or value is None or refers(value)):
            yield f"{path}.{key}", value


def keys_of(file: Path) -> list[tuple[str, Any]]:
    text = file.read_text()
    package = re.search(r"# @package (\S+)", text)
    return list(literals(yaml.safe_load(text) or {}, package[1] if package else "model"))


FILES = sorted(CONF.rglob("*.yaml"))
EVERY = [
    (base_of(file), key, value)
    for file in FILES
    for key, value in keys_of(file)
    if not key.endswith(ONE_VOCABULARY)
]


def others(value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value * 2, value + 2, value - 1, value + 1, 2, 4]
    return [value + 0.5, value * 0.5, value + 0.25]


@cache
def fingerprint(*overrides: str) -> tuple[Any, ...]:
    """Return shapes, first weights and logits while training, all from one seed."""
    node = compose(list(overrides))["model"]
    torch.manual_seed(3)
    model = build(node).train()
    # long enough to leave a window of ten on both sides
    source, target = torch.randint(4, SOURCE, (2, 29)), torch.randint(4, SOURCE, (2, 7))
    with torch.no_grad():
        logits = model(source, torch.tensor([29, 26]), target)
        total = sum(float(p.double().sum()) for p in model.parameters())
    shapes = tuple((name, tuple(p.shape)) for name, p in model.named_parameters())
    return shapes, round(total, 6), tuple(round(x, 5) for x in logits.flatten().tolist())


def is_alive(base: tuple[str, ...], key: str, value: Any) -> bool:
    """Tell whether another legal value changes the model."""
    before, tried = fingerprint(*base), 0
    for other in others(value):
        try:
            after = fingerprint(*base, f"{key}={other}")
        except Exception:  # an illegal value says nothing
            continue
        tried += 1
        if after != before:
            return True
    assert tried, f"{key}: every other value is refused"
    return False


@pytest.mark.parametrize(
    ("base", "key", "value"), EVERY, ids=[f"{' '.join(base)} {key}" for base, key, _ in EVERY]
)
def test_every_key_changes_the_model(base, key, value):
    assert is_alive(base, key, value)


def test_the_walk_meets_every_file_with_a_value():
    met = {base for base, _, _ in EVERY}
    assert {base_of(file) for file in FILES if keys_of(file)} == met
    assert len(EVERY) > 30


def test_one_embedding_for_both_sides_changes_the_model():
    same = ("data.joint=true", "model.source_vocab_size=13", "model.target_vocab_size=13", *SIZES)
    assert fingerprint(*same) != fingerprint(*same, "model.tie_source=true")


def test_planted_dead_key_is_noticed(monkeypatch):
    from seq2seq_lab.model.attention import GeneralAttention

    made = GeneralAttention.__init__

    def deaf(self, query_dim, memory_dim, temperature=1.0, normalizer=None):
        made(self, query_dim, memory_dim, normalizer=normalizer)

    monkeypatch.setattr(GeneralAttention, "__init__", deaf)
    fingerprint.cache_clear()
    base = base_of(CONF / "attention" / "general.yaml")
    assert not is_alive(base, "model.decoder.attention.temperature", 1.0)
    fingerprint.cache_clear()
