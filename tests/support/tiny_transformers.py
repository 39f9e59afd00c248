"""Random Transformers and mixed pairs at tiny sizes, made from the yaml files like the recurrent models.

A position, a norm or a named model that gets a yaml file is in all of them at once: nothing here names one.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from itertools import combinations, product
from typing import Any

import pytest
import yaml
from torch import nn

from seq2seq_lab.model.embedding import TokenEmbedding
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.transformer import TransformerDecoder, TransformerEncoder
from support.tiny_models import (
    CONF,
    SOURCE_VOCAB,
    TARGET_VOCAB,
    Choice,
    construct,
    covering_choices,
    make_model,
    nodes_of,
    randomize,
)

MAX_POSITIONS = 4
MAX_DISTANCE = 2
"""In place of what the yaml files have: shorter than the sentences, so that what far positions share is met."""


@cache
def named() -> dict[str, tuple[bool, bool]]:
    """Return the named models with a Transformer in them: name -> (is the encoder one, is the decoder one)."""
    found = {}
    for file in sorted(CONF.glob("*.yaml")):
        node = yaml.safe_load(file.read_text())
        sides = [node.get(side, {}).get("_target_", "") for side in ("encoder", "decoder")]
        ours = tuple(side.rpartition(".")[0].endswith(".transformer") for side in sides)
        if any(ours):
            found[file.stem] = ours
    return found


@dataclass(frozen=True)
class TransformerChoice:
    """One value of everything that a Transformer can vary in; `partner` is the recurrent side of a mixed pair."""

    name: str
    position: str
    norm: str
    heads: int
    layers: tuple[int, int]
    widths: tuple[int, int]
    embedding: int
    partner: Choice | None = None

    def __str__(self) -> str:
        sizes = "x".join(map(str, (self.heads, *self.layers, *self.widths, self.embedding)))
        partner = f"-{self.partner}" if self.partner else ""
        return f"{self.name}-{self.position}-{self.norm}-{sizes}{partner}"


def part(group: str, name: str) -> Any:
    node = nodes_of(group)[name]
    short = {"max_positions": MAX_POSITIONS, "max_distance": MAX_DISTANCE}
    return construct({**node, **{key: value for key, value in short.items() if key in node}}, {})


def sides(choice: TransformerChoice, dropout: float) -> tuple[nn.Module, nn.Module]:
    """Return encoder and decoder; a recurrent one is taken out of the partner's model."""
    parts = {group: part(group, getattr(choice, group)) for group in ("position", "norm")}
    shared = {**parts, "num_heads": choice.heads, "feedforward_dim": 7, "dropout": dropout}
    partner = make_model(choice.partner, dropout=dropout) if choice.partner else None
    is_encoder, is_decoder = named()[choice.name]
    encoder: Any = partner and partner.encoder
    decoder: Any = partner and partner.decoder
    if is_encoder:
        embedding = TokenEmbedding(SOURCE_VOCAB, choice.embedding)
        encoder = TransformerEncoder(
            embedding, dim=choice.widths[0], num_layers=choice.layers[0], **shared
        )
    if is_decoder:
        decoder = TransformerDecoder(
            TARGET_VOCAB,
            TokenEmbedding(TARGET_VOCAB, choice.embedding),
            memory_dim=choice.widths[0],
            dim=choice.widths[1],
            num_layers=choice.layers[1],
            **shared,
        )
    return encoder, decoder


def make(choice: TransformerChoice, seed: int = 1, dropout: float = 0.0) -> EncoderDecoder:
    """Return the float64 model with random weights; refused combinations raise ValueError."""
    return randomize(EncoderDecoder(*sides(choice, dropout)), seed).train(dropout > 0)


def make_any(choice: Choice | TransformerChoice, seed: int = 1) -> EncoderDecoder:
    return (make_model if isinstance(choice, Choice) else make)(choice, seed)


def is_legal(choice: TransformerChoice) -> bool:
    try:
        make(choice)
    except ValueError:
        return False
    return True


def options() -> dict[str, list[Any]]:
    return {
        "name": [name for name, ours in named().items() if all(ours)],
        "position": list(nodes_of("position")),
        "norm": list(nodes_of("norm")),
        "heads": [1, 2, 3],
        "layers": [(1, 1), (2, 1), (1, 3)],
        "widths": [(6, 6), (6, 12), (12, 12)],
        "embedding": [5, 6],
    }


def pure() -> Iterator[TransformerChoice]:
    """Yield Transformers on both sides until any two options have met, where a legal model has both."""
    rows = list(product(*options().values()))
    random.Random(0).shuffle(rows)
    met: set[tuple] = set()
    for row in rows:
        pairs = set(combinations(zip(options(), row, strict=True), 2))
        if len(pairs - met) > 1 and is_legal(TransformerChoice(*row)):
            met |= pairs
            yield TransformerChoice(*row)


def mixed(name: str) -> Iterator[TransformerChoice]:
    """Yield pairs with recurrent partners until each option of the recurrent side has been met."""
    met: set[tuple] = set()
    drawn = random.Random(0)
    of_encoder = {"cell", "reading", "layers", "widths"}
    axes = [f.name for f in fields(Choice) if named()[name][0] or f.name in of_encoder]
    for partner in covering_choices():
        new = {(axis, getattr(partner, axis)) for axis in axes} - met
        choice = TransformerChoice(
            name,
            drawn.choice(options()["position"]),
            drawn.choice(options()["norm"]),
            1,
            partner.layers,
            (partner.widths[0], 6) if named()[name][1] else partner.widths,
            drawn.choice(options()["embedding"]),
            partner,
        )
        if new and is_legal(choice):
            met |= new
            yield choice


@cache
def transformer_choices() -> tuple[TransformerChoice, ...]:
    """Return Transformers of all positions, norms and sizes, and mixed pairs with all recurrent parts."""
    names = [name for name, ours in named().items() if not all(ours)]
    return (*pure(), *(choice for name in names for choice in mixed(name)))


def every_transformer() -> pytest.MarkDecorator:
    """Parametrize by all Transformers and mixed pairs of `transformer_choices`, every second one in `make slow`."""
    chosen = [
        pytest.param(one, marks=pytest.mark.slow if number % 2 else [])
        for number, one in enumerate(transformer_choices())
    ]
    return pytest.mark.parametrize("choice", chosen, ids=str)
