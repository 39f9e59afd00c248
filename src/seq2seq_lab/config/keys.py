"""Nested configs as plain dicts and lists: dotted paths, walks, and the keys that do not decide what a run computes."""

from collections.abc import Iterable, Iterator
from typing import Any

MISSING = "???"
"""What YAML writes for a value that is filled at run time."""
RECORDING = (
    "run_dir",
    "resume",
    "traceback",
    "study",
    "study_dir",
    "prediction",
    "training.logger",
    "data.cache_dir",
)
"""Keys that say where and how a run is recorded and what is expected of it, not what it computes."""


def join(path: str, key: object) -> str:
    """Return the dotted path of a child."""
    return f"{path}.{key}" if path else str(key)


def is_node(value: object) -> bool:
    """Tell whether a plain config value describes an object to be built."""
    return isinstance(value, dict) and "_target_" in value


def items(value: object) -> Iterable[tuple[Any, Any]]:
    """Return the (key, item) pairs of a dict or list; of any other value, none."""
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def walk(value: object, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted path, item) of everything inside nested dicts and lists, parents first."""
    for key, item in items(value):
        yield join(path, key), item
        yield from walk(item, join(path, key))


def child(value: Any, path: str) -> Any:
    """Return what lies at a dotted path of nested dicts and lists, or None."""
    for part in path.split(".") if path else []:
        value = {str(key): item for key, item in items(value)}.get(part)
    return value


def leaves(node: Any, path: str = "") -> dict[str, Any]:
    """Return {dotted path: value} of every leaf of nested dicts; an empty dict is a leaf."""
    if not isinstance(node, dict) or not node:
        return {path: node}
    inner = (leaves(value, join(path, key)) for key, value in node.items())
    return {key: value for found in inner for key, value in found.items()}


def is_below(key: str, paths: tuple[str, ...]) -> bool:
    """Tell whether a dotted key is one of these paths or lies below one."""
    return any(key == path or key.startswith(f"{path}.") for path in paths)


def without(node: dict[str, Any], paths: tuple[str, ...], path: str = "") -> dict[str, Any]:
    """Return a copy of nested dicts without the nodes and leaves at these dotted paths."""
    return {
        key: without(value, paths, join(path, key)) if isinstance(value, dict) else value
        for key, value in node.items()
        if join(path, key) not in paths
    }


def computing(config: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a resolved config that decides the numbers of a run."""
    return without(config, RECORDING)
