"""Every key of conf/decoding is alive: another value of it changes what some model writes."""

from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from typing import Any

import pytest
import torch

from seq2seq_lab.config.build import build
from seq2seq_lab.config.compose import compose
from support import model_properties as properties
from support.tiny_models import covering_choices, make_batch, make_model, nodes

ATTENDING = [c for c in covering_choices() if c.attention in ("additive", "general")][:6]
CLASSES = [name for name in nodes("../decoding") if "/" not in name]
FILES = nodes("../decoding")
READ = {
    name: {
        k: v
        for base in node.get("defaults", [])
        if isinstance(base, str) and base in FILES
        for k, v in FILES[base].items()
    }
    | node
    for name, node in FILES.items()
}
ELSEWHERE = {"replace_unknown", "intervention"}
"""Read by the translator, not by the search: tests/inference/test_translator*.py, tests/commands/test_intervene*.py."""


@cache
def settings(name: str) -> dict[str, Any]:
    return compose([f"decoding={name}"])["decoding"]


KEYS = [
    (name, key)
    for name in CLASSES
    for key in READ[name]
    if key not in {*ELSEWHERE, "_target_", "defaults"} and not isinstance(READ[name][key], dict)
]


def others(value: Any) -> Iterator[Any]:
    """Return other values of a setting's type."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 3, value + 1, value * 2, 1, 2)
    else:
        yield from (value + 0.5, value * 0.5, value + 5.0, 0.3)


@cache
def batch():
    return make_batch((9, 7, 4, 1, 6), (2, 6, 4, 1, 3))


def written(node: dict[str, Any], seed: int) -> list[Any]:
    model = make_model(ATTENDING[seed % len(ATTENDING)], seed)
    lengths = batch().source_lengths
    with torch.no_grad():
        state = model.initial_state(model.encode(batch().source, lengths))
        found = build(node)(model.step, state, properties.request_of(lengths))
    return [[(o.tokens.tolist(), round(o.rank, 9), o.finished) for o in one] for one in found]


def is_alive(node: dict[str, Any], key: str, seeds: int = 60) -> bool:
    """Tell whether some other legal value changes some output; all of them are shown where the search has more."""
    shown = node | (
        {"n_best": node["beam_size"]} if "beam_size" in node and key != "n_best" else {}
    )
    before = {}
    for value in others(node[key]):
        changed = shown | {key: value}
        if "n_best" in changed and key == "beam_size":
            changed["n_best"] = shown["n_best"] = 1
        try:
            build(changed)
        except Exception:  # an illegal value says nothing
            continue
        for seed in range(seeds):
            place = seed, shown.get("n_best")
            if place not in before:
                before[place] = written(shown, seed)
            if before[place] != written(changed, seed):
                return True
    return False


@pytest.mark.parametrize(("name", "key"), KEYS, ids=lambda v: v)
def test_every_key_changes_some_output(name, key):
    assert is_alive(settings(name), key)


def test_the_walk_meets_every_setting_of_every_search():
    assert {name for name, _ in KEYS} == set(CLASSES) >= {"greedy", "beam", "sample"}
    for name in CLASSES:
        kind = type(build(settings(name)))
        declared = {f.name for f in fields(kind)} - ELSEWHERE - {"length_penalty"}
        assert {key for n, key in KEYS if n == name} == declared


@pytest.mark.parametrize("name", list(nodes("../decoding/length_penalty")))
def test_every_length_penalty_is_another(name):
    node = settings("beam") | {"n_best": 5}
    other = "gnmt" if name != "gnmt" else "none"
    penalties = nodes("../decoding/length_penalty")
    one, two = ({**node, "length_penalty": penalties[n]} for n in (name, other))
    assert any(written(one, seed) != written(two, seed) for seed in range(5))


def test_planted_dead_key_is_noticed(monkeypatch):
    from seq2seq_lab.decoding import limits

    nothing = torch.zeros(0, dtype=torch.long)
    monkeypatch.setattr(limits, "repeated", lambda history, size: (nothing, nothing))
    assert not is_alive(settings("greedy"), "no_repeat_ngram", seeds=4)
