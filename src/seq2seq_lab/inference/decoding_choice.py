"""The choice of a search for a trained model: that of its run, or another by the overrides of train.py.

`decoding=beam decoding.beam_size=10` is composed from conf/ by the same rules and with the same did-you-mean. Without
`decoding=NAME` the settings of the run stay and the overrides change some of them; with it the search is the one of
conf/decoding/NAME.yaml, and of the run's settings only the limits of an output stay.
"""

import json
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seq2seq_lab.config.collection import first_imports
from seq2seq_lab.config.extension_conf import extension_folders
from seq2seq_lab.config.keys import leaves
from seq2seq_lab.config.search_path import (
    add_config_dir,
    is_search_path,
    take_folders,
    with_config_dir,
)
from seq2seq_lab.errors import CheckpointError, ConfigError
from seq2seq_lab.output import File

if TYPE_CHECKING:
    from seq2seq_lab.inference.trained import Trained

GROUP = "decoding"
_OVERRIDE = re.compile(r"^[+~]{0,2}[A-Za-z_][\w./@]*=|^~[A-Za-z_]")
_SEARCHES_WITH_N_BEST = "--beam N or decoding=sample"


def add_model_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of every command that runs a trained model."""
    parser.add_argument(
        "--ensemble",
        nargs="+",
        default=[],
        metavar="CHECKPOINT",
        help="these models as well: the mean of all probabilities (give it after the files)",
    )
    parser.add_argument("--batch-size", type=int, default=64, metavar="N", help="sentences")
    parser.add_argument(
        "--batch-tokens",
        type=int,
        metavar="N",
        help="tokens with padding, in place of --batch-size",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda ...")


def add_search_arguments(parser: ArgumentParser) -> None:
    """Add the further arguments of every command that decodes."""
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="decoding.KEY=VALUE",
        help="as in train.py, e.g. decoding=beam",
    )
    add_config_dir(parser)
    parser.add_argument("--beam", type=int, metavar="N", help="decoding=beam decoding.beam_size=N")


def is_override(text: str) -> bool:
    """Return whether an argument is KEY=VALUE and not the name of an existing file."""
    return bool(_OVERRIDE.match(text)) and not Path(text).exists()


def take_overrides(arguments: Namespace, *names: str) -> list[str]:
    """Move KEY=VALUE out of optional file arguments and the list after --ensemble; return all overrides.

    Raises `ConfigError` for what is neither a file that was asked for nor KEY=VALUE.
    """
    given = [*(getattr(arguments, name) for name in names), *arguments.overrides]
    words = [word for word in given if word is not None]
    plain = [word for word in words if not is_override(word)]
    if len(plain) > len(names):
        raise ConfigError(
            f"{plain[len(names)]}: one argument too many; settings are written decoding.KEY=VALUE"
        )
    for place, name in enumerate(names):
        setattr(arguments, name, plain[place] if place < len(plain) else None)
    found = [word for word in words if is_override(word)]
    found += [word for word in arguments.ensemble if is_override(word)]
    arguments.ensemble = [word for word in arguments.ensemble if not is_override(word)]
    return with_config_dir(getattr(arguments, "config_dir", None), found)


def with_shortcuts(
    stored: dict[str, Any], overrides: list[str], *, beam: int | None, n_best: int | None = None
) -> list[str]:
    """Return the overrides that `--beam` and `--n-best` stand for, before those that were given."""
    shortcuts = []
    if beam is not None:
        is_beam = "beam_size" in stored or any(o.startswith(f"{GROUP}=") for o in overrides)
        shortcuts += [*([] if is_beam else [f"{GROUP}=beam"]), f"{GROUP}.beam_size={beam}"]
    if n_best is not None:
        chosen = [*shortcuts, *overrides]
        if "n_best" not in stored and not any(o.startswith(f"{GROUP}=") for o in chosen):
            raise ConfigError(
                f"--n-best {n_best}: this search writes one output; add {_SEARCHES_WITH_N_BEST}"
            )
        shortcuts.append(f"{GROUP}.n_best={n_best}")
    return [*shortcuts, *overrides]


def choose(stored: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """Return the decoding node: the stored one, changed by the overrides.

    Raises `ConfigError` with the nearest legal names for whatever is no key or option of `decoding`.
    """
    places = [o for o in overrides if is_search_path(o)]
    if len(overrides) == len(places):
        return stored
    from seq2seq_lab.config.compose import beside_the_job  # Hydra: not needed for --help

    with beside_the_job():
        return _composed(stored, overrides, places)


def _composed(stored: dict[str, Any], overrides: list[str], places: list[str]) -> dict[str, Any]:
    from seq2seq_lab.config.check import check
    from seq2seq_lab.config.compose import compose_config
    from seq2seq_lab.config.resolve import resolve

    is_ours = re.compile(rf"^[+~]{{0,2}}{GROUP}([./=@]|$)").match
    foreign = [o for o in overrides if not is_ours(o) and o not in places]
    if foreign:
        compose_config(
            [*places, *foreign]
        )  # raises for names that do not exist, with the nearest ones
        raise ConfigError(
            f"{foreign[0]}: of a trained model only the decoding can be changed; train another for the rest"
        )
    names = {o.partition("=")[0] for o in overrides}
    lines = _limits(stored) if GROUP in names else as_overrides(stored, take_folders(places)[0])
    cfg = compose_config([*(line for line in lines if not _is_replaced(line, names)), *overrides])
    check(cfg)
    return resolve(cfg)[GROUP]


def _limits(stored: dict[str, Any]) -> list[str]:
    """Return the settings that every search has: they stay when the search of a run is replaced."""
    from seq2seq_lab.decoding.limits import SearchSettings

    names = {field.name for field in fields(SearchSettings)}
    limits = {key: stored[key] for key in stored if key in names and key != "intervention"}
    return [f"{GROUP}.{key}={json.dumps(value)}" for key, value in limits.items()]


def _is_replaced(line: str, names: set[str]) -> bool:
    """Return whether a user's override replaces a stored line: the same key, or a value inside a replaced group."""
    key = line.partition("=")[0]
    groups = [name.replace("/", ".") + "." for name in names if "/" in name]
    return key in names or f"{key}.".startswith(tuple(groups))


def as_overrides(stored: dict[str, Any], further: Sequence[Path] = ()) -> list[str]:
    """Return the overrides from which conf/ and further folders compose this decoding node."""
    from seq2seq_lab.config.compose import conf_dir

    folders = [conf_dir(), *further, *extension_folders(conf_dir()).values()]
    inner = {f"{GROUP}/{key}": node for key, node in stored.items() if isinstance(node, dict)}
    options = [
        f"{group}={_option(group, node, folders)}"
        for group, node in {GROUP: stored, **inner}.items()
    ]
    values = {key: value for key, value in leaves(stored).items() if not key.endswith("_target_")}
    return options + [f"{GROUP}.{key}={json.dumps(value)}" for key, value in values.items()]


def _option(group: str, node: dict[str, Any], folders: Sequence[Path]) -> str:
    """Return the name of the group's yaml file that builds this node's class."""
    line = f"_target_: {node.get('_target_')}"
    for path in [path for folder in folders for path in sorted((folder / group).glob("*.yaml"))]:
        if line in path.read_text(encoding="utf-8").split("\n"):
            return path.stem
    raise CheckpointError(
        f"the checkpoint decodes with {node.get('_target_')}, which conf/{group} does not offer; write {GROUP}=NAME"
    )


def inputs_of(arguments: Namespace, *files: File | None) -> list[File]:
    """Return these files and those of the models that the arguments of `add_model_arguments` name: no output is one."""
    with first_imports():
        from seq2seq_lab.inference.trained import input_files

    models = [arguments.checkpoint, *arguments.ensemble]
    return [
        *(file for file in files if file is not None),
        *(f for m in models for f in input_files(m)),
    ]


def open_model(arguments: Namespace) -> "Trained":
    """Load the model that the arguments of `add_model_arguments` name."""
    with first_imports():
        from seq2seq_lab.data.batching import BySentences, ByTokens
        from seq2seq_lab.inference.trained import load

    for flag, value in (("size", arguments.batch_size), ("tokens", arguments.batch_tokens)):
        if value is not None and value < 1:
            raise ConfigError(f"--batch-{flag} {value}: must be >= 1; 64 sentences are usual")
    tokens = arguments.batch_tokens
    batching = BySentences(arguments.batch_size) if tokens is None else ByTokens(tokens)
    trained = load(arguments.checkpoint, device=arguments.device, ensemble=arguments.ensemble)
    return replace(trained, translator=replace(trained.translator, batching=batching))


def open_trained(
    arguments: Namespace, overrides: list[str], *, n_best: int | None = None
) -> "Trained":
    """Load the model that the arguments name, with the search that they choose."""
    from seq2seq_lab.config.build import build
    from seq2seq_lab.inference.other_seed import with_other

    trained = open_model(arguments)
    stored = trained.config[GROUP]
    chosen = with_shortcuts(stored, overrides, beam=arguments.beam, n_best=n_best)
    node = choose(stored, chosen)
    translator = with_other(replace(trained.translator, decoding=build(node)))
    return replace(trained, translator=translator, config={**trained.config, GROUP: node})
