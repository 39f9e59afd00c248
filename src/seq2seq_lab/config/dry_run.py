"""Ranges and contradictions of a config: every sound node is built once on the meta device, leaves first.

A constructor's own `ValueError` is the only statement of ranges and contradictions, so it is called before any data
are read. Targets whose import takes seconds (`Rules.slow`) are left out at first, what they hold is built; once
Lightning is imported they are built too.
"""

import functools
import re
import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from seq2seq_lab.config.annotation import fits
from seq2seq_lab.config.build import target_class
from seq2seq_lab.config.collection import no_collection
from seq2seq_lab.config.extension_registry import activate
from seq2seq_lab.config.keys import MISSING, is_below, is_node, items, join
from seq2seq_lab.config.memory import check_memory
from seq2seq_lab.config.problems import Problem
from seq2seq_lab.config.rules import Rules
from seq2seq_lab.config.signature import Signature, signature_of
from seq2seq_lab.config.structure import SETTINGS, Tree, structure_problems
from seq2seq_lab.errors import UserError, one_line

_VOCABULARY_SIZE = 11
_ONLY_NO_PARAMETERS = "optimizer got an empty parameter list"
_LIGHTNINGS_VALUE_ERROR = "MisconfigurationException"
_NO_DEVICE = re.compile(r"can not run on your system|No supported gpu backend")
_FAILED, _UNKNOWN = object(), object()


def find_problems(
    raw: dict, plain: dict, rules: Rules, *, with_lightning: bool = False
) -> list[Problem]:
    """Return all problems of a config: names, types and targets, then ranges; Lightning's only on demand."""
    with no_collection():
        import torch

        activate(plain)
        tree = Tree(raw, plain)
        found = structure_problems(tree, rules)
    trial = _Trial(tree, rules, {p.path for p in found}, with_lightning=with_lightning)
    fork = torch.random.fork_rng(devices=[])
    with warnings.catch_warnings(), fork, torch.device("meta"), without_normal_draws():
        warnings.simplefilter("ignore")
        trial.value("", plain)
    model = trial.built.get("model")
    if isinstance(model, torch.nn.Module) and not (found or trial.problems):
        on_gpu = torch.cuda.is_available()  # then only the weights pass through this memory
        check_memory(model, copies=1 if on_gpu else 4)
    return found + trial.problems


def without_normal_draws() -> AbstractContextManager:
    """Leave tensors as they are where a constructor draws normal weights.

    On the meta device there are no weights, yet such a draw imports torch._dynamo: longer than all the rest.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class Undrawn(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
        ) -> Any:
            given = kwargs or {}
            is_draw = func is torch.nn.init.normal_
            return given["tensor"] if is_draw else func(*args, **given)

    return Undrawn()


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
            inner = {k: self.value(join(path, k), v) for k, v in items(value) if k not in SETTINGS}
            self.built[path] = (
                self._node(path, value, inner)  # type: ignore[arg-type]
                if is_node(value)
                else _mark(inner) or (inner if isinstance(value, dict) else list(inner.values()))
            )
        return self.built[path]

    def _node(self, path: str, node: dict, inner: dict[str, Any]) -> Any:
        import torch

        target = node["_target_"]
        if self.rules.target_problem(target) is not None:
            return _FAILED  # never call what is not on the list, however it was reached
        signature = signature_of(target)
        if signature is None or any(is_below(broken, (path,)) for broken in self.broken):
            return _FAILED
        given = {k: v for k, v in inner.items() if k in signature.arguments or signature.is_open}
        is_late = self.rules.is_slow(target) and not self.with_lightning
        given = _with_sizes(signature, given)
        mark = _mark(given) or (_UNKNOWN if is_late else None)
        if mark is not None:
            return mark
        is_partial = bool(node.get("_partial_"))
        complete = _complete(signature, given, is_partial=is_partial)
        built = _UNKNOWN
        try:
            make = target_class(target)
            if complete is not None:
                # what holds no weights may calculate, which on the meta device imports SymPy
                place = nullcontext() if not self.rules.is_slow(target) else torch.device("cpu")
                with place:
                    built = make(**complete)
        except Exception as error:  # whatever a constructor raises is a problem of its node
            if str(error) != _ONLY_NO_PARAMETERS:
                kind = type(error).__name__
                is_value_error = isinstance(error, ValueError | UserError)
                is_clear = is_value_error or kind == _LIGHTNINGS_VALUE_ERROR
                what = "" if is_clear else f"{signature.name}: {kind}: "
                text = what + one_line(error)
                if _NO_DEVICE.search(text):
                    text = f"accelerator={given.get('accelerator')}: this machine has none; use training/trainer=cpu"
                self.problems.append(Problem(path, text))
                return _FAILED
        return functools.partial(make, **given) if is_partial else built


def _complete(
    signature: Signature, given: dict[str, Any], *, is_partial: bool
) -> dict[str, Any] | None:
    """Return the arguments with stand-ins for what comes at run time; None if there is no stand-in."""
    complete = dict(given)
    for name, argument in signature.arguments.items():
        if _is_missing(given.get(name)) or (argument.required and name not in given):
            if not (is_partial and name == "params"):
                return None
            complete[
                name
            ] = []  # an optimizer checks its settings before it refuses to have no parameters
    return complete


def _is_missing(value: Any) -> bool:
    return isinstance(value, str) and value == MISSING


def _with_sizes(signature: Signature, given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments with a stand-in for each size that only the data decide."""
    sizes = {
        name: _VOCABULARY_SIZE
        for name, argument in signature.arguments.items()
        if _is_missing(given.get(name))
        and fits(_VOCABULARY_SIZE, argument.annotation, argument.module)
    }
    return given | sizes


def _mark(inner: dict) -> Any:
    """Return the marker of a node that holds one, or None."""
    marks = [value for value in inner.values() if value is _FAILED or value is _UNKNOWN]
    return _FAILED if _FAILED in marks else marks[0] if marks else None
