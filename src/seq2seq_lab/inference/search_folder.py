"""The searches that a run has, as they lie on disk: searches/NAME/, read only if every file is as it was written."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.inference.named_search import NamedSearch
from seq2seq_lab.stored_text import parse_json

FOLDER, ABOUT = "searches", "search.json"
OWN = "own"
"""What the decoding of a run's config is called beside its searches, where it cannot be called after its kind."""
FILES = ("test.jsonl", "test_counts.jsonl", "signatures.json", "result.json")
"""What a search has beside search.json, in which their SHA-256 are."""


@dataclass(frozen=True)
class StoredSearch:
    """A search that is done; `model` is the hash of the weights."""

    name: str
    folder: Path
    number: int
    overrides: tuple[str, ...]
    decoding: dict[str, Any]
    model: str


def kind_of(decoding: Mapping[str, Any]) -> str:
    """Return `diverse_beam` for a decoding node of the class DiverseBeam."""
    name = str(decoding.get("_target_", OWN)).rpartition(".")[2]
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def read_search(folder: Path) -> StoredSearch | None:
    """Return what is stored in this folder; None if there is nothing, or not what was written."""
    try:
        about = parse_json((folder / ABOUT).read_text(encoding="utf-8"))
        for name in FILES:
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != about["sha256"][name]:
                return None
        number, words, decoding = about["number"], about["overrides"], about["decoding"]
        is_right = type(number) is int and isinstance(decoding, dict)
        is_right = is_right and isinstance(words, list) and isinstance(about["model"], str)
        if not is_right or not all(isinstance(word, str) for word in words):
            return None
        return StoredSearch(folder.name, folder, number, tuple(words), decoding, about["model"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_searches(run: Path) -> dict[str, StoredSearch]:
    """Return the searches of a run that are done, in the order in which they were declared."""
    folders = sorted(p for p in (run / FOLDER).glob("*") if p.name[0] != "." and p.is_dir())
    found = [one for one in map(read_search, folders) if one is not None]
    return {one.name: one for one in sorted(found, key=lambda one: one.number)}


def refuse_others(run: Path, searches: Sequence[NamedSearch]) -> None:
    """Raise `ConfigError` if a folder of one of these names holds a search with other settings."""
    for search in searches:
        folder = run / FOLDER / search.name
        found = read_search(folder)
        if found is not None and found.decoding != search.decoding:
            raise ConfigError(
                f"{folder}: holds a search of this name with other settings ({' '.join(found.overrides)}); choose "
                "another name, or delete the folder"
            )
