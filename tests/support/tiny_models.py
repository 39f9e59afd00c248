"""Random models of every legal combination of parts, at tiny sizes, made from the yaml files of conf/model.

A part that gets a class and a yaml file is in all of them at once: nothing here names a part.
"""

import pkgutil
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache, partial
from importlib import import_module
from itertools import combinations, product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from seq2seq_lab.batch import Batch
from seq2seq_lab.doctor.batches import random_batch
from seq2seq_lab.doctor.random_weights import randomize
from seq2seq_lab.model.embedding import TokenEmbedding
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.recurrent_encoder import RecurrentEncoder
from seq2seq_lab.model.stack import Stack

CONF = Path(__file__).resolve().parents[2] / "conf" / "model"
SOURCE_VOCAB, TARGET_VOCAB = 11, 13
TINY_SIZES = {"num_heads": 2, "half_width": 2, "num_filters": 3, "kernel_size": 3}
"""What takes the place of the numbers in yaml files that are too large for sentences of five words."""


def nodes(group: str) -> dict[str, dict[str, Any]]:
    """Return the yaml files of a group, with tiny sizes: name -> content."""
    folder, found = CONF / group, {}
    for file in sorted(folder.rglob("*.yaml")):
        node = yaml.safe_load(file.read_text())
        tiny = {key: size for key, size in TINY_SIZES.items() if key in node}
        found[file.relative_to(folder).with_suffix("").as_posix()] = node | tiny
    return found


def class_of(node: dict[str, Any]) -> type:
    module, _, name = node["_target_"].rpartition(".")
    return getattr(import_module(module), name)


def targets(group: str) -> set[type]:
    return {class_of(node) for node in nodes(group).values()}


def public_subclasses(home: ModuleType, base: type) -> set[type]:
    """Return the classes of a module, or of a package's modules, that can be chosen: no leading underscore."""
    inside = pkgutil.iter_modules(getattr(home, "__path__", []), f"{home.__name__}.")
    modules = [home, *(import_module(found.name) for found in inside)]
    every = {c for module in modules for c in vars(module).values() if isinstance(c, type)}
    return {c for c in every if issubclass(c, base) and c is not base and c.__name__[0] != "_"}


def dials(
    *, encoder: int = 6, decoder: int = 6, layers: tuple[int, int] = (1, 1), dropout: float = 0.0
) -> dict[str, Any]:
    """Return what the yaml files interpolate."""
    return {
        "model.dim": 8,  # divisible by the heads
        "model.dropout": dropout,
        "model.encoder.dim": encoder,
        "model.decoder.dim": decoder,
        "model.encoder.num_layers": layers[0],
        "model.decoder.num_layers": layers[1],
    }


def construct(node: dict[str, Any], values: dict[str, Any]) -> Any:
    """Make the object of a node, as `_target_` with its arguments, or a partial of it."""
    arguments = {}
    for key, value in node.items():
        if not key.startswith("_"):
            refers = isinstance(value, str) and value.startswith("${")
            arguments[key] = values[value[2:-1]] if refers else value
    made = class_of(node)
    return partial(made, **arguments) if node.get("_partial_") else made(**arguments)


@dataclass(frozen=True)
class Choice:
    """One value of everything that a recurrent model can vary in."""

    cell: str
    attention: str
    bridge: str
    context: str
    order: str
    readout: str
    input_feeding: bool
    reading: str
    layers: tuple[int, int]
    widths: tuple[int, int]
    stack: str = "plain"

    def __str__(self) -> str:
        names = (getattr(self, f.name) for f in fields(self)[:6])
        feeding = "feeding" if self.input_feeding else "plain"
        sizes = "x".join(map(str, (*self.layers, *self.widths)))
        return "-".join((*names, feeding, self.reading, sizes, self.stack))


READINGS = {
    "forward": {},
    "reversed": {"reverse_source": True},
    "bidirectional": {"bidirectional": True},
}
STACKS = {
    "plain": {},
    "residual": {"residual": True},
    "layer_norm": {"layer_norm": True},
    "locked": {"locked_dropout": 0.3},
    "all": {"residual": True, "layer_norm": True, "locked_dropout": 0.3},
}


def axes() -> dict[str, list[Any]]:
    groups = ("cell", "attention", "bridge", "context", "order", "readout")
    return {
        **{group: list(nodes_of(group)) for group in groups},
        "input_feeding": [False, True],
        "reading": list(READINGS),
        "layers": [(1, 1), (2, 2), (1, 2), (3, 2)],
        "widths": [(6, 6), (6, 5)],
        "stack": list(STACKS),
    }


def make_model(choice: Choice, seed: int = 1, dropout: float = 0.0) -> EncoderDecoder:
    """Return the float64 model with random weights; refused combinations raise ValueError.

    Without dropout it is in evaluation, so that locked dropout waits for `.train()`.
    """
    values = dials(
        encoder=choice.widths[0], decoder=choice.widths[1], layers=choice.layers, dropout=dropout
    )
    part = {
        group: construct(nodes_of(group)[getattr(choice, group)], values)
        for group in ("cell", "attention", "bridge", "context", "readout")
    }
    stack = partial(Stack, **STACKS[choice.stack])
    reads_states = part["attention"].context_dim > 0 or part["bridge"].reads_states
    encoder = RecurrentEncoder(
        TokenEmbedding(SOURCE_VOCAB, 3, dropout),
        part["cell"],
        choice.widths[0],
        choice.layers[0],
        dropout,
        stack,
        **READINGS[choice.reading],
        output_dropout=dropout * reads_states,
    )
    decoder = class_of(nodes_of("order")[choice.order])(
        TARGET_VOCAB,
        TokenEmbedding(TARGET_VOCAB, 5, dropout),
        **part,
        dim=choice.widths[1],
        num_layers=choice.layers[1],
        dropout=dropout,
        stack=stack,
        input_feeding=choice.input_feeding,
    )
    return randomize(EncoderDecoder(encoder, decoder), seed).train(dropout > 0)


nodes_of = cache(nodes)


@cache
def is_legal(choice: Choice) -> bool:
    try:
        make_model(choice)
    except ValueError:
        return False
    return True


def all_choices(**fixed: Any) -> Iterator[Choice]:
    """Return every legal combination; `fixed` holds an axis at one value."""
    values = {name: [fixed[name]] if name in fixed else options for name, options in axes().items()}
    for row in product(*values.values()):
        if is_legal(Choice(*row)):
            yield Choice(*row)


@cache
def covering_choices(times: int = 2) -> tuple[Choice, ...]:
    """Return legal combinations in which any two options meet so many times, where any legal one has both."""
    options = axes()
    draw = random.Random(0)
    met: Counter[tuple] = Counter()
    rows: list[Choice] = []

    def pairs(choice: Choice) -> list[tuple]:
        return list(combinations([(name, getattr(choice, name)) for name in options], 2))

    for (a, left), (b, right) in combinations(options.items(), 2):
        for first, second in product(left, right):
            while met[(a, first), (b, second)] < times:
                tries = [
                    Choice(
                        **{n: draw.choice(v) for n, v in options.items()} | {a: first, b: second}
                    )
                    for _ in range(60)
                ]
                tries.sort(key=lambda c: -sum(met[pair] < times for pair in pairs(c)))
                chosen = next(filter(is_legal, tries), None)
                if chosen is None:
                    break
                rows.append(chosen)
                met.update(pairs(chosen))
    return tuple(dict.fromkeys(rows))


def every_choice() -> pytest.MarkDecorator:
    """Parametrize by combinations in which any two options meet: once by default, twice more in `make slow`."""
    once = covering_choices(1)
    more = [pytest.param(c, marks=pytest.mark.slow) for c in covering_choices() if c not in once]
    return pytest.mark.parametrize("choice", [*once, *more], ids=str)


def make_batch(
    sources: tuple[int, ...] = (4, 1, 2), targets: tuple[int, ...] = (2, 6, 4), seed: int = 1
) -> Batch:
    """Return random sentences of these lengths, the end token not counted."""
    return random_batch(sources, targets, (SOURCE_VOCAB, TARGET_VOCAB), seed)
