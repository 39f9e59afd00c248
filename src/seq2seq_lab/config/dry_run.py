"""Build every sound node of a config once on the meta device, leaves first, to hear what constructors refuse.

A constructor's own `ValueError` is the only statement of ranges and contradictions, so it is asked before any data
is read. Lightning's classes (5 s to import) and those that need them are left out at first (what they hold is
tried) and built too once Lightning is imported anyway.
"""

import functools
import importlib
import warnings
from typing import Any
from unittest import mock

from seq2seq_lab.config.annotation import fits
from seq2seq_lab.config.signature import MISSING, Signature, imports_any, is_node, signature_of
from seq2seq_lab.config.structure import (
    SETTINGS,
    Problem,
    Rules,
    Tree,
    join,
    structure_problems,
    target_problem,
)
from seq2seq_lab.errors import UserError, one_line

_SLOW_IMPORTS = frozenset({"pytorch_lightning", "lightning", "lightning_fabric", "wandb"})
_VOCABULARY_SIZE = 11
_ONLY_NO_PARAMETERS = "optimizer got an empty parameter list"
_LIGHTNINGS_VALUE_ERROR = "MisconfigurationException"
_FAILED, _UNKNOWN = object(), object()


def find_problems(
    raw: dict, plain: dict, rules: Rules, *, with_lightning: bool = False
) -> list[Problem]:
    """Return all problems of a config: names, types and targets, then ranges."""
    tree = Tree(raw, plain)
    found = structure_problems(tree, rules)
    return found + range_problems(tree, rules, found, with_lightning=with_lightning)


def range_problems(
    tree: Tree, rules: Rules, found: list[Problem], *, with_lightning: bool = False
) -> list[Problem]:
    """Build every sound node once, on no device, and return what they refuse; Lightning's only on demand."""
    import torch

    trial = _Trial(tree, rules, {p.path for p in found}, with_lightning=with_lightning)
    # a normal draw on the meta device imports torch._dynamo, which takes longer than all the rest
    no_draw = mock.patch.object(torch.nn.init, "normal_", lambda tensor, *_, **__: tensor)
    fork = torch.random.fork_rng(devices=[])
    with warnings.catch_warnings(), fork, no_draw, torch.device("meta"):
        warnings.simplefilter("ignore")
        trial.value("", tree.plain)
    return trial.problems


class _Trial:
    """The dry construction; each place of the config is built once, however many keys refer to it."""

    def __init__(self, tree: Tree, rules: Rules, broken: set[str], *, with_lightning: bool) -> None:
        self.tree, self.rules, self.broken = tree, rules, broken
        self.with_lightning = with_lightning
        self.problems: list[Problem] = []
        self.built: dict[str, Any] = {}

    def value(self, path: str, value: Any) -> Any:
        """Return the value with its nodes built, or a marker if something inside cannot be."""
        path = self.tree.origin(path) if path else path
        if path in self.broken:
            self.built[path] = _FAILED
        if not isinstance(value, dict | list):
            return self.built.get(path, value)
        if path not in self.built:
            keys = value.items() if isinstance(value, dict) else enumerate(value)
            items: dict[Any, Any] = {
                k: self.value(join(path, k), v) for k, v in keys if k not in SETTINGS
            }
            self.built[path] = (
                self._node(path, value, items)
                if isinstance(value, dict) and is_node(value)
                else _mark(value, items)
            )
        return self.built[path]

    def _node(self, path: str, node: dict, items: dict[str, Any]) -> Any:
        if target_problem(node["_target_"], self.rules) is not None:
            return _FAILED  # never call what is not on the list, however it was reached
        signature = signature_of(node["_target_"])
        module, _, name = node["_target_"].rpartition(".")
        if signature is None or any(b == path or b.startswith(path + ".") for b in self.broken):
            return _FAILED
        arguments = {
            k: v for k, v in items.items() if k in signature.arguments or signature.is_open
        }
        marks = [v for v in arguments.values() if v is _FAILED or v is _UNKNOWN]
        if marks or (_is_slow(module) and not self.with_lightning):
            return _FAILED if _FAILED in marks else _UNKNOWN
        try:
            trial = self._complete(signature, arguments, is_partial=bool(node.get("_partial_")))
            target = getattr(importlib.import_module(module), name)
            built = _UNKNOWN if trial is None else target(**trial)
            return functools.partial(target, **arguments) if node.get("_partial_") else built
        except Exception as error:  # any failure of a constructor is told as a problem of its node
            if str(error) == _ONLY_NO_PARAMETERS:
                return functools.partial(target, **arguments)
            kind = type(error).__name__
            is_told = isinstance(error, ValueError | UserError) or kind == _LIGHTNINGS_VALUE_ERROR
            what = "" if is_told else f"{name}: {kind}: "
            self.problems.append(Problem(path, what + one_line(error)))
        return _FAILED

    def _complete(
        self, signature: Signature, given: dict[str, Any], *, is_partial: bool
    ) -> dict[str, Any] | None:
        """Return the arguments with stand-ins for what comes at run time; None if there is no stand-in."""
        trial = dict(given)
        for name, argument in signature.arguments.items():
            is_missing = trial.get(name) == MISSING if isinstance(trial.get(name), str) else False
            if is_missing and fits(_VOCABULARY_SIZE, argument.annotation, signature.module):
                trial[name] = _VOCABULARY_SIZE
            elif is_missing or (argument.required and name not in trial):
                stand_in = _stand_in(name) if is_partial else None
                if stand_in is None:
                    return None
                trial[name] = stand_in
        return trial


@functools.cache
def _is_slow(module: str) -> bool:
    root = module.split(".")[0]
    return root in _SLOW_IMPORTS or (root != "torch" and imports_any(module, _SLOW_IMPORTS))


def _stand_in(name: str) -> Any:
    import torch

    if (
        name == "params"
    ):  # an optimizer checks its settings, then refuses this: no 1 s import of torch._dynamo
        return []
    return torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))]) if name == "optimizer" else None


def _mark(value: dict | list, items: dict) -> Any:
    for mark in (_FAILED, _UNKNOWN):
        if any(item is mark for item in items.values()):
            return mark
    return items if isinstance(value, dict) else list(items.values())
