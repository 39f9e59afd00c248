"""Find every wrong name, type and target of a composed config, by reading the constructors' source.

Works on plain dicts and imports nothing that a config names. Ranges and contradictions are the business of the
constructors themselves: `dry_run.py` calls them.
"""

import ast
import fnmatch
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from seq2seq_lab.config.annotation import is_number, mismatch, show
from seq2seq_lab.config.signature import (
    MISSING,
    Argument,
    Signature,
    closest,
    is_node,
    public_classes,
    signature_of,
    source_file,
)
from seq2seq_lab.errors import ConfigError, UnsafeError, one_line

NODE = "node"
"""In a namespace table: a node with `_target_`."""
OPTIONAL_NODE = "node | None"
NAMESPACE = "namespace"
SETTINGS = ("_target_", "_partial_")
_REFERENCE = re.compile(r"\$\{(?:oc\.select:)?\s*(\.*[\w.\[\]]+)\s*[,}]")


@dataclass(frozen=True)
class Rules:
    """What a config may say.

    `modules`: those whose public classes may be targets; `package.*` means the direct modules of a package of ours.
    `targets`: exact dotted names of other libraries' classes. `namespaces`: {path: {child: type}} of nodes without
    `_target_`; a type is NODE, OPTIONAL_NODE, NAMESPACE or an annotation such as `int | None`; a namespace that is
    None is open: any child that is a node or null. `runtime`: {path or target pattern: arguments given to `build`}.
    `ranges`: {root key or target.argument: (lowest, highest)} where no constructor of ours says so. `needs`: pairs of
    keys, the second must be true where the first is, with the reason.
    """

    modules: tuple[str, ...]
    targets: frozenset[str]
    namespaces: Mapping[str, Mapping[str, str] | None]
    runtime: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[int | float, int | float]] = field(default_factory=dict)
    needs: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def range_problem(self, name: str, value: Any) -> str | None:
        """Return why a number is outside the range declared for this name, or None."""
        low, high = self.ranges.get(name, (-math.inf, math.inf))
        if not is_number(value) or low <= value <= high:
            return None
        bounds = f">= {low:g}" if math.isinf(high) else f"from {low:g} to {high:,.0f}"
        return f"{value} is out of range: must be {bounds}"

    def runtime_arguments(self, path: str, target: str) -> set[str]:
        """Return the arguments of this node that `build` is given at run time."""
        patterns = self.runtime.items()
        match = fnmatch.fnmatchcase
        return {a for p, names in patterns if match(path, p) or match(target, p) for a in names}


@dataclass(frozen=True)
class Problem:
    """One mistake, at a dotted path of the config."""

    path: str
    text: str
    is_unsafe: bool = False


def raise_problems(problems: list[Problem]) -> None:
    """Raise one error that lists all problems; do nothing if there are none."""
    grouped: dict[str, list[str]] = {}
    for problem in problems:
        paths = grouped.setdefault(problem.text, [])
        if problem.path not in paths:
            paths.append(problem.path)
    lines = [f"{', '.join(p for p in ps if p)}: {t}" if any(ps) else t for t, ps in grouped.items()]
    if lines:
        message = f"{len(lines)} problems: " + "; ".join(lines) if len(lines) > 1 else lines[0]
        raise UnsafeError(message) if all(p.is_unsafe for p in problems) else ConfigError(message)


def join(path: str, key: object) -> str:
    """Return the dotted path of a child."""
    return f"{path}.{key}" if path else str(key)


def target_problem(target: Any, rules: Rules) -> Problem | None:
    """Return why the target may not be built, or None. Nothing of it is imported or run."""
    if not isinstance(target, str):
        return Problem("", f"_target_ must be a dotted class name, got {show(target)}")
    if target in rules.targets:
        return None
    module, _, name = target.rpartition(".")
    known = [m for m in rules.modules if not m.endswith(".*")]
    is_listed = module in known or f"{module.rpartition('.')[0]}.*" in rules.modules
    if is_listed and source_file(module) is not None:
        classes = public_classes(module)
        if name in classes:
            return None
        return Problem("", f"{module} has no class {name}{closest(name, classes)}")
    if target.split(".")[0] in {m.split(".")[0] for m in rules.modules}:
        return Problem("", f"_target_ {target}: no such class of ours{closest(module, known)}")
    text = f"_target_ {one_line(target)} is not on the list of classes that a config may name, so it was refused"
    return Problem("", text + closest(target, rules.targets), is_unsafe=True)


def child(value: Any, path: str) -> Any:
    """Return what lies at a dotted path of nested dicts and lists, or None."""
    for key in path.split(".") if path else []:
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def references(raw: Any, path: str = "") -> Iterator[str]:
    """Yield the absolute paths that interpolations of the unresolved config refer to."""
    if isinstance(raw, dict | list):
        for key, value in raw.items() if isinstance(raw, dict) else enumerate(raw):
            yield from references(value, join(path, key))
    elif isinstance(raw, str):
        for name in _REFERENCE.findall(raw):
            target = name.replace("[", ".").replace("]", "")
            tail = target.lstrip(".")
            parts = path.split(".")
            ups = len(target) - len(tail)
            yield ".".join([*parts[: len(parts) - ups], tail]) if ups else tail


class Tree:
    """A config twice: `raw` with its interpolations, `plain` with all of them resolved."""

    def __init__(self, raw: dict, plain: dict) -> None:
        self.raw, self.plain = raw, plain
        self.references = set(references(raw))

    def origin(self, path: str) -> str:
        """Return where the value is written: follows `key: ${other.key}` to its source."""
        for _ in range(16):
            parts, moved = path.split("."), False
            for i in range(1, len(parts) + 1):
                head = ".".join(parts[:i])
                raw = child(self.raw, head)
                if isinstance(raw, str) and re.fullmatch(r"\$\{\.*[\w.]+\}", raw.strip()):
                    path = ".".join([next(references(raw, head)), *parts[i:]])
                    moved = True
                    break
            if not moved:
                return path
        return path

    def is_dial(self, path: str) -> bool:
        """Tell whether some other key refers to this one or to something inside it."""
        return any(ref == path or ref.startswith(path + ".") for ref in self.references)


def structure_problems(tree: Tree, rules: Rules) -> list[Problem]:
    """Return the problems of names, types and targets."""
    problems: list[Problem] = []
    if "" in rules.namespaces:
        _check_namespace(tree, "", tree.plain, rules, problems)
    else:
        _check_inside(tree, "", tree.plain, rules, problems)
    for (key, needed), reason in rules.needs.items():
        if child(tree.plain, key) is True and child(tree.plain, needed) is not True:
            problems.append(Problem(key, f"needs {needed}=true: {reason}"))
    return problems


def _check_namespace(tree: Tree, path: str, value: Any, rules: Rules, out: list[Problem]) -> None:
    if not isinstance(value, dict) or "_target_" in value:
        out.append(Problem(path, f"expected a group of keys, got {show(value)}"))
        return
    table = rules.namespaces[path]
    for key, item in value.items():
        here = join(path, key)
        if table is not None and key not in table:
            guess = closest(str(key), table, path)
            shown = "" if guess else f"; the keys here are {', '.join(table)}"
            out.append(Problem(here, f"no such key{guess}{shown}"))
            _check_inside(tree, here, item, rules, out)
        elif here in rules.namespaces:
            _check_namespace(tree, here, item, rules, out)
        else:
            kind = OPTIONAL_NODE if table is None else table[key]
            _check_typed(here, item, kind, rules.range_problem(here, item), out)
            _check_inside(tree, here, item, rules, out)
    for key, kind in (table or {}).items():
        if key not in value and kind in {NODE, NAMESPACE}:
            out.append(Problem(join(path, key), "missing; choose one"))


def _check_typed(
    path: str, value: Any, kind: str, out_of_range: str | None, out: list[Problem]
) -> None:
    if kind in {NODE, OPTIONAL_NODE}:
        is_fine = is_node(value) or (value is None and kind == OPTIONAL_NODE) or value == MISSING
        if not is_fine:
            out.append(Problem(path, f"expected a node with _target_, got {show(value)}"))
        return
    argument = Argument(ast.parse(kind, mode="eval").body, required=False, default_is_none=False)
    text = mismatch(value, argument, "builtins") or out_of_range
    if text:
        out.append(Problem(path, text))


def _check_inside(tree: Tree, path: str, value: Any, rules: Rules, out: list[Problem]) -> None:
    if path and tree.origin(path) != path:
        return  # written elsewhere, checked there
    if is_node(value):
        _check_node(tree, path, value, rules, out)
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            _check_inside(tree, join(path, key), item, rules, out)


def _check_node(tree: Tree, path: str, node: dict, rules: Rules, out: list[Problem]) -> None:
    problem = target_problem(node["_target_"], rules)
    if problem is not None:
        out.append(Problem(path, problem.text, problem.is_unsafe))
        return
    if not isinstance(node.get("_partial_", False), bool):
        out.append(Problem(f"{path}._partial_", f"expected bool, got {show(node['_partial_'])}"))
    signature = signature_of(node["_target_"])
    if signature is None:
        out.append(
            Problem(path, f"_target_ {node['_target_']}: not found in the installed version")
        )
        return
    for key, value in node.items():
        here = join(path, key)
        if key in signature.arguments:
            text = mismatch(value, signature.arguments[key], signature.module)
            text = text or rules.range_problem(f"{node['_target_']}.{key}", value)
            origin = tree.origin(here)
            if text and all(
                p.path != origin for p in out
            ):  # several keys may refer to it: told once
                out.append(Problem(origin, text))
        elif key not in SETTINGS and not signature.is_open and not tree.is_dial(here):
            out.append(Problem(here, _unknown_key(tree, path, key, node, signature)))
    given = set(node) | rules.runtime_arguments(path, node["_target_"])
    missing = [n for n, a in signature.arguments.items() if a.required and n not in given]
    if missing and not node.get("_partial_"):
        out.append(Problem(path, f"{signature.name} needs {', '.join(missing)}"))


def _unknown_key(tree: Tree, path: str, key: str, node: dict, signature: Signature) -> str:
    dials = [k for k in node if tree.is_dial(join(path, k))]
    guess = closest(key, [*signature.arguments, *dials], path)
    if guess:
        return f"no such key{guess}"
    names = ", ".join(signature.arguments) or "no arguments"
    return f"no such key: {signature.name} takes {names}, and no other key refers to ${{{join(path, key)}}}"


def without_dials(value: Any, path: str, rules: Rules) -> Any:
    """Return a copy with only constructor arguments in every node; refuse targets outside the list."""
    if isinstance(value, list):
        return [without_dials(item, join(path, i), rules) for i, item in enumerate(value)]
    if value == MISSING and isinstance(value, str):
        raise ConfigError(f"{path}: still ???; give it a value")
    if not isinstance(value, dict):
        return value
    if "_target_" not in value:
        return {k: without_dials(v, join(path, k), rules) for k, v in value.items()}
    problem = target_problem(value["_target_"], rules)
    if problem is not None:
        raise_problems([Problem(path, problem.text, problem.is_unsafe)])
    signature = signature_of(value["_target_"])
    if signature is None:
        raise ConfigError(f"_target_ {value['_target_']}: not found in the installed version")
    kept = {
        k: without_dials(v, join(path, k), rules)
        for k, v in value.items()
        if k in signature.arguments or (signature.is_open and not k.startswith("_"))
    }
    partial = {"_partial_": True} if value.get("_partial_") else {}
    return {"_target_": value["_target_"], **partial, **kept}
