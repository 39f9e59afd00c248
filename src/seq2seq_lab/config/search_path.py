"""Config files of one's own: the folders that a command line adds to conf/. No config file can add one.

`--config-dir FOLDER` and `hydra.searchpath=[file:///FOLDER]` do the same; only YAML is read from there.
"""

import re
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from seq2seq_lab.config.command_line import quoted
from seq2seq_lab.config.resolvers import resolver_problem
from seq2seq_lab.errors import ConfigError, one_line

KEY = "hydra.searchpath"
_SCHEME = "file://"
_PLAIN = re.compile(r"[\w./:-]+", re.ASCII)


def add_config_dir(parser: ArgumentParser) -> None:
    """Add `--config-dir` to a command that composes a config."""
    parser.add_argument(
        "--config-dir", metavar="FOLDER", help="more config files, in folders as those of conf/"
    )


def with_config_dir(config_dir: str | None, overrides: Sequence[str]) -> list[str]:
    """Return the overrides and, before them, the one that stands for `--config-dir`."""
    if config_dir is None:
        return list(overrides)
    folder = _existing(config_dir, f"--config-dir {config_dir}")
    place = f"{_SCHEME}{folder}"
    return [f"{KEY}=[{place if _PLAIN.fullmatch(place) else quoted(place)}]", *overrides]


def is_search_path(override: str) -> bool:
    """Tell whether an override adds folders."""
    return override.startswith(f"{KEY}=")


def take_folders(
    overrides: Sequence[str], config_dir: str | None = None
) -> tuple[list[Path], list[str]]:
    """Return the folders that a command line adds, and its other overrides. Raises `ConfigError` for a missing folder.

    What names anything but folders stays among the others, where it is refused.
    """
    folders = [] if config_dir is None else [_existing(config_dir, f"--config-dir {config_dir}")]
    rest = []
    for override in overrides:
        places = _places(override) if is_search_path(override) else None
        if places is None:
            rest.append(override)
        else:
            folders += [_existing(place, override) for place in places]
    return list(dict.fromkeys(folders)), rest


def _places(override: str) -> list[str] | None:
    """Return the folders of a search path, or None if it says anything else."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    if resolver_problem(override) is not None:
        return None
    try:
        parsed = OverridesParser.create().parse_override(override)
        value = None if parsed.is_sweep_override() else parsed.value()
    except HydraException:
        return None
    if not isinstance(value, list) or not value:
        return None
    if not all(isinstance(one, str) and one.startswith(_SCHEME) for one in value):
        return None
    return [one.removeprefix(_SCHEME) for one in value]


def _existing(place: str, said: str) -> Path:
    folder = Path(place).absolute()
    if not place or not folder.is_dir():
        raise ConfigError(f"{one_line(said)}: no such folder; name one that exists")
    return folder
