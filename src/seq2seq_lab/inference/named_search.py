"""Searches by name, as a config or a command line declares them: names to overrides of train.py."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seq2seq_lab.errors import ConfigError, one_line

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
_EXAMPLE = "beam_5: [decoding=beam, decoding.beam_size=5]"


@dataclass(frozen=True)
class NamedSearch:
    """A search by its name; `number` is its place among those of a run, `decoding` the resolved node."""

    name: str
    number: int
    overrides: tuple[str, ...]
    decoding: dict[str, Any]


def overrides_of(searches: Any) -> dict[str, tuple[str, ...]]:
    """Return the overrides of each search by its name. Raises `ConfigError` for anything but names with overrides."""
    if not isinstance(searches, Mapping) or not searches:
        raise ConfigError(f"searches: name one search at least, as {_EXAMPLE}")
    found = {}
    for name, words in searches.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigError(
                f"searches.{one_line(name)[:80]}: a name begins with a letter or digit and has letters, digits, '_', "
                "'.' and '-', 80 at most: it is the name of a folder"
            )
        texts = words.split() if isinstance(words, str) else words
        if (
            not isinstance(texts, Sequence)
            or not texts
            or not all(isinstance(text, str) for text in texts)
        ):
            raise ConfigError(f"searches.{name}: must be a list of overrides, as {_EXAMPLE}")
        found[name] = tuple(texts)
    return found
