"""Paths into a nested config, and the keys that do not decide what a run computes."""

from typing import Any

RECORDING = ("run_dir", "resume", "traceback", "study", "study_dir", "training.logger")
"""Keys that say where and how a run is recorded, not what it computes."""


def leaves(node: Any, path: str = "") -> dict[str, Any]:
    """Return {dotted path: value} of every leaf of nested dicts; an empty dict is a leaf."""
    if not isinstance(node, dict) or not node:
        return {path: node}
    inner = (leaves(value, f"{path}.{key}" if path else str(key)) for key, value in node.items())
    return {key: value for found in inner for key, value in found.items()}


def is_below(key: str, paths: tuple[str, ...]) -> bool:
    """Tell whether a dotted key is one of these paths or lies below one."""
    return any(key == path or key.startswith(f"{path}.") for path in paths)


def without(node: dict[str, Any], paths: tuple[str, ...], path: str = "") -> dict[str, Any]:
    """Return a copy of nested dicts without the nodes and leaves at these dotted paths."""
    kept = {}
    for key, value in node.items():
        here = f"{path}.{key}" if path else str(key)
        if here not in paths:
            kept[key] = without(value, paths, here) if isinstance(value, dict) else value
    return kept


def computing(config: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a resolved config that decides the numbers of a run."""
    return without(config, RECORDING)
