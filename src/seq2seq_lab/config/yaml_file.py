"""A YAML file as plain values: read once per process, with limits, and without anything that could run code.

libyaml reads it (ten times as fast as PyYAML's own reader). Its events are counted before any object is made, so
that deep nesting and aliases of aliases end here and not in a stack overflow or in gigabytes.
"""

import copy
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from seq2seq_lab.config.resolvers import refuse_resolvers
from seq2seq_lab.errors import ConfigError, UnsafeError, one_line

_MOST_BYTES = 1_000_000
_MOST_VALUES = 100_000
_DEEPEST = 40
_FLOAT = re.compile(
    r"^(?:[-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)"
    r"|\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?"
    r"|[-+]?[0-9]+(?:_[0-9]+)*(?::[0-5]?[0-9])+\.[0-9_]*"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_FAST):
    """The scalars of OmegaConf's own loader (1e-3 is a float, a date is a text), and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:  # noqa: FBT001, FBT002
        """Return the mapping; refuse a key that is there already."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag == "tag:yaml.org,2002:str":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        problem=f"the key {key.value} is there twice", problem_mark=key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {
    first: [
        pair
        for pair in pairs
        if pair[0] not in {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:float"}
    ]
    for first, pairs in _FAST.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def read_yaml(path: Path) -> Any:
    """Return what the file holds as plain values of its own; None if it is empty.

    Raises `ConfigError`, or `UnsafeError` for a tag or a resolver that a config may not use.
    """
    try:
        stat = path.stat()
        if stat.st_size > _MOST_BYTES:
            raise ConfigError(
                f"{path}: {stat.st_size:,} bytes; a config file has at most {_MOST_BYTES:,}"
            )
        return copy.deepcopy(_parsed(str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {os.strerror(error.errno or 0)}") from error


@lru_cache(maxsize=1024)
def _parsed(path: str, *_changes: int) -> Any:
    data = Path(path).read_bytes()
    try:
        text = data.decode("utf-8-sig")
        _count(text)
        value = yaml.load(text, Loader=_Loader)
    except UnicodeDecodeError as error:
        advice = "write it as UTF-8"
        raise ConfigError(f"{path}: not UTF-8 (byte {error.start}); {advice}") from error
    except yaml.reader.ReaderError as error:
        raise ConfigError(f"{path}: a character that YAML forbids: {error.reason}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise _error_of(path, error) from error
    refuse_resolvers(value, path)
    return value


def _error_of(path: str, error: Exception) -> ConfigError | UnsafeError:
    """Return the one-line error of a file that is not YAML, or whose tags name Python objects."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = f"{path}:{mark.line + 1}" if mark else path
    problem = one_line(getattr(error, "problem", "") or str(error) or "cannot be read")
    is_unsafe = "tag:yaml.org,2002:python" in problem
    return (UnsafeError if is_unsafe else ConfigError)(f"{place}: broken YAML: {problem}")


def _count(text: str) -> None:
    """Refuse nesting and aliases that no config needs; nothing is built while they are counted."""
    sizes: dict[str | None, int] = {}  # of the node behind each anchor, its aliases written out
    open_nodes: list[tuple[str | None, int]] = []
    total = 0
    for event in yaml.parse(text, Loader=_FAST):
        match event:
            case yaml.AliasEvent(anchor=name):
                if name in dict(open_nodes):
                    raise _broken(event, f"*{name} contains itself")
                total += sizes.get(name, 1)
            case yaml.ScalarEvent(anchor=name):
                total += 1
                sizes[name] = 1
            case yaml.CollectionStartEvent(anchor=name):
                open_nodes.append((name, total))
                total += 1
            case yaml.CollectionEndEvent():
                name, before = open_nodes.pop()
                sizes[name] = total - before
        if len(open_nodes) > _DEEPEST:
            raise _broken(event, f"nested more than {_DEEPEST} levels deep")
        if total > _MOST_VALUES:
            raise _broken(event, f"more than {_MOST_VALUES:,} values, aliases written out")


def _broken(event: yaml.Event, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
