"""Where a name of a module is defined, read from source: re-exports are followed, nothing is imported."""

import ast
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from seq2seq_lab.config.extension_source import parsed

_LONGEST_CHAIN = 16
"""Re-exports of a name; only imports in a circle are longer."""


@dataclass(frozen=True)
class _Import:
    """An imported name; `name` is empty where the module itself is meant."""

    module: str
    name: str
    lineno: int


Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.expr


def source_file(module: str) -> Path | None:
    """Return the file of a module. Only the finder of its top-level package is asked, nothing is imported."""
    root, *rest = parts = module.split(".")
    try:
        spec = importlib.util.find_spec(root) if all(map(str.isidentifier, parts)) else None
    except ValueError:  # a module without a spec, such as __main__
        spec = None
    if spec is None:
        return None
    if (spec.origin or "").endswith(".py"):
        origin = Path(spec.origin or "")
        folders = [origin.parent] if spec.submodule_search_locations is not None else []
        files = [] if rest else [origin]
    else:  # a folder without __init__.py
        folders, files = [Path(place) for place in spec.submodule_search_locations or ()], []
    for folder in folders if rest else ():
        base = folder.joinpath(*rest)
        files += [base / "__init__.py", base.with_suffix(".py")]
    return next((file for file in files if file.is_file()), None)


@cache
def _names(module: str) -> dict[str, list[Definition | _Import]]:
    """Return what each name at the top of a module is, in the order of the lines."""
    file = source_file(module)
    names: dict[str, list[Definition | _Import]] = {}
    if file is None:
        return names
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in parsed(file).body:
        for name, one in _bound(node, package):
            names.setdefault(name, []).append(one)
    return names


def _bound(node: ast.stmt, package: str) -> list[tuple[str, Definition | _Import]]:
    match node:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return [(node.name, node)]
        case ast.ImportFrom(level=level, module=module, names=names):
            try:
                origin = importlib.util.resolve_name("." * level + (module or ""), package)
            except ImportError:  # more dots than packages: nothing can be imported from there
                return []
            return [(a.asname or a.name, _Import(origin, a.name, node.lineno)) for a in names]
        case ast.Import(names=names):
            return [
                (
                    a.asname or a.name.partition(".")[0],
                    _Import(a.name if a.asname else a.name.partition(".")[0], "", node.lineno),
                )
                for a in names
            ]
        case ast.Assign(targets=[ast.Name(id=name), *_], value=value):
            return [(name, value)]
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            return [(name, value)]
    return []


def definition(module: str, name: str, before: int | None = None) -> tuple[str, Definition] | None:
    """Return (module, syntax tree) of a name, following re-exports; None if it cannot be found.

    `before` leaves out what the module binds from that line on: `class A(A)` inherits what A was.
    """
    for _ in range(_LONGEST_CHAIN):
        found = [d for d in _names(module).get(name, ()) if before is None or d.lineno < before]
        if not found:
            return None
        last, before = found[-1], None
        if not isinstance(last, _Import):
            return module, last
        module, name = last.module, last.name
    return None


def resolved(
    module: str, expr: ast.expr, before: int | None = None
) -> tuple[str, Definition] | None:
    """Return the definition of a name or dotted name as `module` writes it: `Attention`, `attention.Attention`."""
    match expr:
        case ast.Name(id=name):
            return definition(module, name, before)
        case ast.Attribute(value=outer, attr=name):
            place = module_of(module, outer)
            return None if place is None else definition(place, name)
        case ast.Subscript(value=outer):
            return resolved(module, outer, before)
    return None


def module_of(module: str, expr: ast.expr) -> str | None:
    """Return the module that an expression in `module` stands for, or None."""
    match expr:
        case ast.Name(id=name):
            return _imported_module(module, name)
        case ast.Attribute(value=outer, attr=name):
            place = module_of(module, outer)
            if place is None:
                return None
            whole = f"{place}.{name}"
            return whole if source_file(whole) is not None else _imported_module(place, name)
    return None


def _imported_module(module: str, name: str) -> str | None:
    for _ in range(_LONGEST_CHAIN):
        found = _names(module).get(name)
        last = found[-1] if found else None
        if not isinstance(last, _Import):
            return None
        if not last.name:
            return last.module
        whole = f"{last.module}.{last.name}"
        if source_file(whole) is not None:
            return whole
        module, name = last.module, last.name
    return None


def public_classes(module: str) -> list[str]:
    """Return the names of the public classes that a module itself defines."""
    return [n for n, d in _names(module).items() if isinstance(d[-1], ast.ClassDef) and n[0] != "_"]


def knows(module: str, name: str) -> bool:
    """Tell whether a name at the top of a module is bound to anything."""
    return name in _names(module)


def imported_modules(module: str) -> set[str]:
    """Return the modules from which a module imports at its top."""
    found = {one for bound in _names(module).values() for one in bound if isinstance(one, _Import)}
    return {f"{one.module}.{one.name}".rstrip(".") for one in found}
