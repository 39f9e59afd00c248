"""Which searches a study has as arms, and how they are called: those of its runs, and the runs' own decoding."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seq2seq_lab.config.keys import child, walk
from seq2seq_lab.errors import DataError
from seq2seq_lab.inference.search_folder import OWN, StoredSearch, kind_of
from seq2seq_lab.stored_text import read_yaml

FACTOR = "search"
"""The factor whose values are the searches."""
_ARM = re.compile(r"(?:^|\.)(?:arm|minus)\.search")


def predicted(prediction: Mapping[str, Any] | None) -> list[str]:
    """Return the searches that a prediction names, in its order; none if it is about something else."""
    found = [str(value) for path, value in walk(prediction or {}) if _ARM.search(path)]
    return list(dict.fromkeys(found))


def own_decoding(run: Path, advice: str) -> dict[str, Any]:
    """Return the decoding node of a run's config; empty if it stored none."""
    path = run / "config.yaml"
    found = child(read_yaml(path, DataError, advice), "decoding") if path.is_file() else None
    return found if isinstance(found, dict) else {}


def names(
    runs: Iterable[tuple[dict[str, Any], Mapping[str, StoredSearch]]], further: Iterable[str]
) -> tuple[str | None, list[str]]:
    """Return the name of the runs' own decoding, and all names in order, that one first.

    `runs` are the own decoding node and the searches of each; `further` are names that may be missing so far. The own
    decoding is called after its kind, as `greedy`. It has no name of its own (None) where a search repeats it, unless
    `further` has that name.
    """
    known, further = list(runs), list(further)
    found = list(dict.fromkeys(name for _, searches in known for name in searches))
    decodings = [own for own, _ in known]
    repeats = known and any(
        all(name in searches and searches[name].decoding == own for own, searches in known)
        for name in found
    )
    if not known:
        return None, list(dict.fromkeys([*found, *further]))
    kinds = {kind_of(own) for own in decodings}
    name = kinds.pop() if len(kinds) == 1 else OWN
    name = f"{OWN}_{name}" if name in found else name
    if repeats and name not in further:
        return None, list(dict.fromkeys([*found, *further]))
    return name, list(dict.fromkeys([name, *found, *further]))
