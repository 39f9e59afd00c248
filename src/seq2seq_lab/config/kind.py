"""Whether the class of a node is of the kind that its place needs, read from the source of both.

A class is of a kind when it is that class or derives from it; of a protocol, when it has the protocol's methods.
"""

import ast
from collections.abc import Iterator

from seq2seq_lab.config.definition import definition, module_of
from seq2seq_lab.config.extension_target import is_of_extension

Class = tuple[str, ast.ClassDef | str]
"""(module, source of the class); of what cannot be read, (module, name)."""
_LONG = ("nn.Module", "torch.nn.Module")
"""Bases whose source takes long to read and says nothing of a kind."""


def ancestors(target: str) -> list[Class]:
    """Return the target and all classes that it derives from."""
    module, _, name = target.rpartition(".")
    match definition(module, name):
        case (place, ast.ClassDef() as node):
            return _lineage(place, node)
    return [(module, name)]


def _lineage(place: str, node: ast.ClassDef) -> list[Class]:
    bases = [item for base in node.bases for item in _base(place, base, node.lineno)]
    return [(place, node), *bases]


def _base(module: str, base: ast.expr, line: int) -> list[Class]:
    match base:
        case ast.Name(id=name):
            match definition(module, name, line):
                case (place, ast.ClassDef() as node):
                    return _lineage(place, node)
            return [(module, name)]
        case ast.Attribute(value=outer, attr=name):
            if not is_of_extension(module) or ast.unparse(base) in _LONG:
                return [("", name)]
            place = module_of(module, outer) or ""
            match definition(place, name):
                case (home, ast.ClassDef() as node):
                    return _lineage(home, node)
            return [(place, name)]
        case ast.Subscript(value=outer):
            return _base(module, outer, line)
    return []


def names(target: str) -> set[str]:
    """Return the names of the target and of all that it derives from.

    A class of an extension does not become a Logger by being called so.
    """
    found = ancestors(target)
    found = (
        [one for one in found if not is_of_extension(one[0])] if is_of_extension(target) else found
    )
    return {one if isinstance(one, str) else one.name for _, one in found}


def is_of_module(target: str, kind: str) -> bool:
    """Tell whether `kind`, a module with a dot at its end, offers the target or what a class of an extension is."""
    module = kind.removesuffix(".")
    if not kind.endswith(".") or target.rpartition(".")[0] == module or not is_of_extension(target):
        return kind.endswith(".") and target.rpartition(".")[0] == module
    return any(
        definition(module, one.name) == (place, one)
        for place, one in ancestors(target)
        if isinstance(one, ast.ClassDef)
    )


def _methods(node: ast.ClassDef) -> Iterator[str]:
    for item in node.body:
        if isinstance(item, ast.FunctionDef):
            yield item.name


def is_kind(target: str, module: str, kind: ast.ClassDef) -> bool:
    """Tell whether the target is of the kind `kind`, a class defined in `module`."""
    found = ancestors(target)
    if any(isinstance(base, ast.Name) and base.id == "Protocol" for base in kind.bases):
        has = {name for _, one in found if isinstance(one, ast.ClassDef) for name in _methods(one)}
        is_open = any(isinstance(one, str) and one not in {"ABC", "object"} for _, one in found)
        return is_open or set(_methods(kind)) <= has
    return any(
        isinstance(one, ast.ClassDef) and one.name == kind.name and place == module
        for place, one in found
    )


def can_be_called(target: str, count: int | None) -> bool:
    """Tell whether objects of the target take a call with `count` arguments; None: with any."""
    found = ancestors(target)
    for _, one in found:
        for item in one.body if isinstance(one, ast.ClassDef) else ():
            if isinstance(item, ast.FunctionDef) and item.name in {"__call__", "forward"}:
                most = len(item.args.args) - 1
                least = most - len(item.args.defaults)
                return count is None or item.args.vararg is not None or least <= count <= most
    return any(isinstance(one, str) and one not in {"ABC", "object"} for _, one in found)
