"""Keys of runs, as `runs --where`, `--sort` and `--columns` name them: facts, numbers, choices and config keys."""

import difflib
import math
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from seq2seq_lab.config.keys import child, leaves
from seq2seq_lab.errors import ConfigError, one_line
from seq2seq_lab.metrics.table import lower_is_better
from seq2seq_lab.report.run_list import ListedRun

ABSENT = object()
"""The value of a key that a run does not have."""
Getter = Callable[[ListedRun], Any]

_TIMES = ("started", "finished")


def _of_manifest(key: str) -> Getter:
    return lambda run: run.manifest.get(key, ABSENT)


FACTS: dict[str, Getter] = {
    "folder": lambda run: str(run.folder),
    "state": lambda run: run.state,
    "reason": lambda run: run.reason or ABSENT,
    "study": lambda run: run.study or ABSENT,
    "model": lambda run: run.model_and_data[0] or ABSENT,
    "data": lambda run: run.model_and_data[1] or ABSENT,
    "seconds": lambda run: ABSENT if run.seconds is None else run.seconds,
    "parameters": lambda run: run.result.get("model/parameters", ABSENT),
    **{key: _of_manifest(key) for key in ("name", "seed", "sweep", "config_hash", *_TIMES)},
}
_CONDITION = re.compile(r"(?P<key>[^=<>!]+)(?P<sign>!=|<=|>=|=|<|>)(?P<value>.*)", re.DOTALL)
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_SHOWN = 6


@dataclass(frozen=True)
class Key:
    """A key that was found: its full name and how a run's value is read."""

    name: str
    of: Getter
    is_number_of_result: bool = False


def find_key(text: str, runs: Sequence[ListedRun], flag: str) -> Key:
    """Return the key that a text names; raises `ConfigError` for one that no run has, with the nearest ones.

    A choice may be named by its group or the last part of it, a config key by its end, a test metric without `test/`.
    """
    if text in FACTS:
        return Key(text, FACTS[text])
    numbers = {name for run in runs for name in run.result}
    name = text if text in numbers else f"test/{text}"
    if name in numbers:
        return Key(name, lambda run: run.result.get(name, ABSENT), is_number_of_result=True)
    groups = {group for run in runs for group in run.choices}
    groups |= {key for run in runs for key in run.words if "/" in key}
    if found := _named(text, groups, r"[/.]", flag):
        group = found
        return Key(group, lambda run: run.choices.get(group, run.words.get(group, ABSENT)))
    if any(_in_config(run, text) is not ABSENT for run in runs):
        return Key(text, lambda run: _in_config(run, text))
    paths = {path for run in runs for path in leaves(run.config) if path}
    if found := _named(text, paths, r"\.", flag):
        path = found
        return Key(path, lambda run: _in_config(run, path))
    near = _nearest(text, [*FACTS, *numbers, *groups, *paths])
    raise ConfigError(f"{flag} {text}: no run has this key{near}")


def _named(text: str, names: Iterable[str], separator: str, flag: str) -> str | None:
    """Return the one name that is the text or ends with it; None if there is none."""
    names = set(names)
    if text in names:
        return text
    found = sorted(n for n in names if re.search(rf"{separator}{re.escape(text)}$", n))
    if len(found) > 1:
        more = ", ..." * (len(found) > _SHOWN)
        raise ConfigError(f"{flag} {text}: may be {', '.join(found[:_SHOWN])}{more}; write it out")
    return found[0] if found else None


def _nearest(text: str, names: Iterable[str]) -> str:
    """Return `; did you mean A, B or C?`; a name counts by itself and by its last part."""
    by_end: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        for end in {name, re.split(r"[/.]", name)[-1]}:
            by_end.setdefault(end, []).append(name)
    found = difflib.get_close_matches(text, by_end, n=3, cutoff=0.6)
    near = list(dict.fromkeys(name for end in found for name in by_end[end]))[:3]
    if not near:
        return f"; there are {', '.join(FACTS)}, numbers of result.json, choices and config keys"
    *first, last = near
    return f"; did you mean {', '.join(first)}{' or ' if first else ''}{last}?"


def _in_config(run: ListedRun, path: str) -> Any:
    parent, _, last = path.rpartition(".")
    node = child(run.config, parent)
    return node[last] if isinstance(node, dict) and last in node else ABSENT


def text_of(value: Any) -> str:
    """Return a value as people write it in a config; nothing for an absent one."""
    if value is ABSENT:
        return ""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(text_of, value))}]"
    return str(value)


def plain(value: Any) -> Any:
    """Return a value as JSON holds it: a number that is not finite, or what JSON does not know, as text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    is_finite = not isinstance(value, float) or math.isfinite(value)
    return value if is_finite and isinstance(value, bool | int | float | str | None) else str(value)


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


@dataclass(frozen=True)
class Condition:
    """One `KEY=VALUE` of --where, or with another sign."""

    text: str
    key: Key
    sign: str
    value: str

    def holds(self, run: ListedRun) -> bool:
        """Tell whether a run that has the key fulfils the condition."""
        found = self.key.of(run)
        one, other = _number(found), _number(self.value)
        compare = _SIGNS[self.sign]
        if one is not None and other is not None:
            return compare(one, other)
        if self.sign in {"=", "!="} or self.key.name in _TIMES:
            return compare(text_of(found), self.value)
        shown = one_line(text_of(found))[:40]
        raise ConfigError(
            f"--where {self.text}: {self.sign} compares numbers, and {self.key.name} is {shown} in {run.folder}; "
            "use = or !="
        )


def condition(text: str, runs: Sequence[ListedRun]) -> Condition:
    """Read one --where."""
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise ConfigError(f"--where {text}: write KEY=VALUE, or !=, <, <=, >, >= in place of =")
    key = find_key(found["key"].strip(), runs, "--where")
    return Condition(text, key, found["sign"], found["value"].strip())


def chosen(
    runs: Sequence[ListedRun], conditions: Sequence[Condition]
) -> tuple[list[ListedRun], dict[str, int]]:
    """Return the runs that fulfil all conditions, and by key how many were left out because they do not have it."""
    kept, without = list(runs), {}
    for one in conditions:
        having = [run for run in kept if one.key.of(run) is not ABSENT]
        if len(having) < len(kept):
            without[one.key.name] = len(kept) - len(having)
        kept = [run for run in having if one.holds(run)]
    return kept, without


def ordered(runs: Sequence[ListedRun], key: Key | None, *, reverse: bool) -> list[ListedRun]:
    """Return the runs by a key: the best number first, else ascending; without a key the newest first.

    Runs that do not have the key come last.
    """
    key = key or Key("started", FACTS["started"])
    is_best_high = key.is_number_of_result and not lower_is_better(key.name)
    having = [run for run in runs if key.of(run) is not ABSENT]
    having.sort(key=lambda run: _order(key.of(run)), reverse=is_best_high or key.name == "started")
    others = [run for run in runs if key.of(run) is ABSENT]
    return [*(reversed(having) if reverse else having), *others]


def _order(value: Any) -> tuple[bool, float, str]:
    number = _number(value)
    return number is None, number or 0.0, text_of(value)
