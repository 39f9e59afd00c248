"""The object of a config node."""

import functools
from importlib import import_module
from typing import Any

from seq2seq_lab.config.extension_registry import import_of
from seq2seq_lab.config.extension_target import is_of_extension
from seq2seq_lab.config.keys import MISSING, is_node, join
from seq2seq_lab.config.problems import raise_problems
from seq2seq_lab.config.rules import RULES, Rules
from seq2seq_lab.config.signature import signature_of
from seq2seq_lab.errors import ConfigError, UserError, one_line


def build(node: dict[str, Any] | None, /, rules: Rules = RULES, **runtime: Any) -> Any:
    """Make the object of a resolved node, its alias keys left out.

    `runtime` are arguments that no config can hold, such as the trainer's callbacks. None gives None.
    Raises `UnsafeError` for a target outside the list, `ConfigError` for what a constructor refuses.
    """
    if node is None:
        return None
    if not is_node(node):
        raise ConfigError("cannot build a node without _target_; choose an option of its group")
    given = {key: value for key, value in node.items() if key not in runtime}
    name = node["_target_"].rpartition(".")[2]
    return _make({**without_alias_keys(given, rules), **runtime}, name)


def _make(value: Any, path: str) -> Any:
    """Return the value with its nodes built, innermost first; arguments of other kinds stay as they are."""
    if isinstance(value, list):
        return [_make(item, join(path, i)) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    ready = {key: _make(item, join(path, key)) for key, item in value.items()}
    if not is_node(ready):
        return ready
    make = target_class(ready.pop("_target_"))
    if ready.pop("_partial_", False):
        return functools.partial(make, **ready)
    try:
        return make(**ready)
    except UserError:
        raise
    except ValueError as error:
        raise ConfigError(f"{path}: {one_line(error)}") from error


def target_class(target: str) -> Any:
    """Import the class of a target that the rules allow."""
    module, _, name = target.rpartition(".")
    load = import_of if is_of_extension(target) else import_module
    return getattr(load(module), name)


def without_alias_keys(value: Any, rules: Rules = RULES, path: str = "") -> Any:
    """Return a copy with only constructor arguments in every node; refuse targets outside the list."""
    if isinstance(value, list):
        return [without_alias_keys(item, rules, join(path, i)) for i, item in enumerate(value)]
    if isinstance(value, str) and value == MISSING:
        raise ConfigError(f"{path}: still ???; give it a value")
    if not isinstance(value, dict):
        return value
    if not is_node(value):
        return {k: without_alias_keys(v, rules, join(path, k)) for k, v in value.items()}
    target = value["_target_"]
    problem = rules.target_problem(target, path)
    raise_problems([problem] if problem else [])
    signature = signature_of(target)
    if signature is None:
        raise ConfigError(f"_target_ {target}: not found in the installed version")
    settings = {"_target_": target, **({"_partial_": True} if value.get("_partial_") else {})}
    return settings | {
        k: without_alias_keys(v, rules, join(path, k))
        for k, v in value.items()
        if k in signature.arguments or (signature.is_open and not k.startswith("_"))
    }
