"""`check_configs`: every YAML file of a package composes, passes the check and builds."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from seq2seq_lab.config.build import build
from seq2seq_lab.config.compose import compose_config
from seq2seq_lab.config.extension_registry import extensions
from seq2seq_lab.config.keys import is_node
from seq2seq_lab.config.resolve import resolve
from seq2seq_lab.doctor.agreement import demand
from seq2seq_lab.doctor.patient import admit_config
from seq2seq_lab.errors import UserError
from seq2seq_lab.testing.claims import Claim, hold

PARTNERS = {
    "model/norm": ("model=transformer",),
    "model/position": ("model=transformer",),
    "decoding/length_penalty": ("decoding=beam",),
}
"""What a part needs beside it, by group."""


def options(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield group and name of each option; a file whose name begins with `_` is a part of others."""
    for path in sorted(folder.rglob("*.yaml")):
        if not path.name.startswith("_"):
            yield path.parent.relative_to(folder).as_posix(), path.stem


def overrides_of(group: str, name: str) -> list[str]:
    """Return the command line that brings an option into a run."""
    if group == "training/callback":
        return [f"+{group}={name}"]
    return [f"{group}={name}", *PARTNERS.get(group, ())]


def composes_and_builds(folder: Path, group: str, name: str, others: tuple[str, ...]) -> None:
    """Compose a run with the option, check it, build a tiny model, and build what the file itself names.

    No text is read: a corpus is made and not read.
    """
    overrides = [*overrides_of(group, name), *others]
    try:
        cfg = compose_config(overrides)
        admit_config(cfg, (1,)).model(
            1
        )  # checks, and builds search, loss and scheduled sampling too
        run = resolve(cfg)
        for node in own_nodes(run, folder / group / f"{name}.yaml"):
            build(node)
    except UserError as error:
        raise AssertionError(f"{' '.join(overrides)}: {error}") from error


def own_nodes(run: dict[str, Any], file: Path) -> Iterator[dict[str, Any]]:
    """Yield the nodes of a resolved run whose class the file names, but for models, which `admit` builds."""
    text = yaml.safe_load(file.read_text(encoding="utf-8"))
    own = {node["_target_"] for node in nodes(text)}
    named = [run["data"]["corpus"], *(run["training"].get("callback") or {}).values()]
    demand(isinstance(text, dict), "the file holds no mapping of keys")
    yield from (node for node in named if node is not None and node["_target_"] in own)


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every node with a `_target_` inside a value."""
    if isinstance(value, dict):
        if is_node(value):
            yield value
        for inner in value.values():
            yield from nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


def check_configs(folder: str | Path, *overrides: str) -> None:
    """Raise `AssertionError` unless every YAML file of a `conf` folder composes, passes the check and builds.

    The folder is that of an installed package with the entry point `seq2seq_lab.extension`. `overrides` go with every
    file: a path that a corpus needs, a second part that goes with yours.
    """
    place = Path(folder).resolve()
    known = {one.conf.resolve() for one in extensions().values() if one.conf is not None}
    demand(
        place in known,
        f"{place}: not the conf folder of an installed extension; install your package (pip install -e .) with the "
        'entry point [project.entry-points."seq2seq_lab.extension"]',
    )
    claims = [
        Claim(
            f"{group}/{name}.yaml composes and builds",
            partial(composes_and_builds, place, group, name, overrides),
            "Correct the file, or the constructor that its _target_ names",
        )
        for group, name in options(place)
    ]
    demand(claims, f"{place}: no YAML file in it")
    hold(str(place), claims)
