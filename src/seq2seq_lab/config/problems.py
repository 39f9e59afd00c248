"""The mistakes of a config or command line, all in one error, each with the nearest legal name."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from seq2seq_lab.errors import ConfigError, UnsafeError


@dataclass(frozen=True)
class Problem:
    """One mistake, at a dotted path of the config."""

    path: str
    text: str
    is_unsafe: bool = False


def raise_problems(problems: list[Problem]) -> None:
    """Raise one error that lists all problems, each on a line of its own; do nothing if there are none."""
    grouped: dict[str, dict[str, None]] = {}
    for problem in problems:
        grouped.setdefault(problem.text, {})[problem.path] = None
    lines = [", ".join(filter(None, paths)) + ": " * any(paths) + t for t, paths in grouped.items()]
    if lines:
        message = f"{len(lines)} problems: " + "; ".join(lines) if len(lines) > 1 else lines[0]
        is_unsafe = all(problem.is_unsafe for problem in problems)
        raise (UnsafeError if is_unsafe else ConfigError)(message, lines)


def closest(word: str, candidates: Iterable[str], path: str = "") -> str:
    """Return `; did you mean PATH.X?` for the nearest candidate, or an empty string."""
    matches = difflib.get_close_matches(word, sorted(set(candidates)), n=1, cutoff=0.6)
    return f"; did you mean {path + '.' * bool(path)}{matches[0]}?" if matches else ""
