"""A constructor's arguments and types, read from its source text without importing or running anything.

The constructor is the only schema of a config node. Reading its source instead of importing its module keeps the
check fast (Lightning alone takes seconds to import) and harmless (a config cannot make us import a module).
"""

import ast
import difflib
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

MISSING = "???"
"""What YAML writes for a value that is filled at run time."""


@dataclass(frozen=True)
class Argument:
    """One constructor argument; `annotation` is the syntax tree of its type, if it has one."""

    annotation: ast.expr | None
    required: bool
    default_is_none: bool


@dataclass(frozen=True)
class Signature:
    """The arguments of a class or function. `is_open` means that it also takes any other keyword."""

    name: str
    module: str
    arguments: dict[str, Argument]
    is_open: bool = False


@dataclass(frozen=True)
class _Import:
    module: str
    name: str


_Definition = ast.ClassDef | ast.FunctionDef | ast.expr


def closest(word: str, candidates: Iterable[str], path: str = "") -> str:
    """Return `; did you mean PATH.X?` for the nearest candidate, or an empty string."""
    matches = difflib.get_close_matches(word, sorted(set(candidates)), n=1, cutoff=0.6)
    return f"; did you mean {path + '.' * bool(path)}{matches[0]}?" if matches else ""


def source_file(module: str) -> Path | None:
    """Return the file of a module. Only the finder of its top-level package is asked, nothing is imported."""
    root, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(root) if root.isidentifier() else None
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not spec.submodule_search_locations:
        return (
            Path(spec.origin) if spec.origin and not rest and spec.origin.endswith(".py") else None
        )
    for folder in spec.submodule_search_locations:
        base = Path(folder, *rest)
        for file in (
            base.with_name(base.name + ".py") if rest else base / "__init__.py",
            base / "__init__.py",
        ):
            if file.is_file():
                return file
    return None


@lru_cache(maxsize=512)
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _is_type_checking(node: ast.If) -> bool:
    return "TYPE_CHECKING" in ast.unparse(node.test)


def _statements(body: list[ast.stmt], *, with_type_checking: bool) -> Iterator[ast.stmt]:
    """Yield the statements that run at import, those under `if` and `try` included."""
    for node in body:
        yield node
        if isinstance(node, ast.If) and not with_type_checking and _is_type_checking(node):
            continue
        if isinstance(node, ast.If | ast.Try):
            yield from _statements(node.body + node.orelse, with_type_checking=with_type_checking)


def _imported_module(node: ast.ImportFrom, module: str, file: Path) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    return ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [node.module])])


@lru_cache(maxsize=512)
def _names(module: str, file: Path) -> dict[str, _Definition | _Import]:
    names: dict[str, _Definition | _Import] = {}
    for node in _statements(_tree(file).body, with_type_checking=True):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names[node.name] = node
        elif isinstance(node, ast.ImportFrom):
            origin = _imported_module(node, module, file)
            names.update({a.asname or a.name: _Import(origin, a.name) for a in node.names})
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names[node.targets[0].id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            names[node.target.id] = node.value
    return names


def definition(module: str, name: str, depth: int = 0) -> tuple[str, _Definition] | None:
    """Return (module, syntax tree) of a name, following re-exports; None if it cannot be found."""
    file = source_file(module)
    found = _names(module, file).get(name) if file else None
    if isinstance(found, _Import):
        return definition(found.module, found.name, depth + 1) if depth < 8 else None
    return None if found is None else (module, found)


def public_classes(module: str) -> list[str]:
    """Return the names of the public classes that a module itself defines."""
    file = source_file(module)
    names = _names(module, file) if file else {}
    return [
        n for n, node in names.items() if isinstance(node, ast.ClassDef) and not n.startswith("_")
    ]


def imports_any(module: str, roots: frozenset[str]) -> bool:
    """Tell whether importing the module would import one of the top-level packages `roots`."""
    package, seen, todo = module.split(".")[0], set(), [module]
    while todo:
        current = todo.pop()
        file = source_file(current)
        if current in seen or file is None:
            continue
        seen.add(current)
        for node in _statements(_tree(file).body, with_type_checking=False):
            imported: list[str] = []
            if isinstance(node, ast.Import):
                imported = [a.name for a in node.names]
            elif isinstance(node, ast.ImportFrom):
                origin = _imported_module(node, current, file)
                imported = [origin, *(f"{origin}.{a.name}" for a in node.names)]
            if any(name.split(".")[0] in roots for name in imported):
                return True
            todo += [name for name in imported if name.split(".")[0] == package]
    return False


def _is_none(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _function_arguments(node: ast.FunctionDef, *, is_method: bool) -> dict[str, Argument]:
    positional = [*node.args.posonlyargs, *node.args.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(node.args.defaults))
    pairs = list(zip(positional, [*defaults, *node.args.defaults], strict=True))[int(is_method) :]
    pairs += zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    return {a.arg: Argument(a.annotation, d is None, _is_none(d)) for a, d in pairs}


def _dataclass_arguments(node: ast.ClassDef) -> dict[str, Argument]:
    arguments = {}
    for field in node.body:
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if "ClassVar" in ast.unparse(field.annotation):
            continue
        value = field.value
        if isinstance(value, ast.Call) and ast.unparse(value.func).endswith("field"):
            options = {k.arg: k.value for k in value.keywords}
            if "init" in options and ast.unparse(options["init"]) == "False":
                continue
            value = options.get("default", options.get("default_factory"))
        arguments[field.target.id] = Argument(field.annotation, value is None, _is_none(value))
    return arguments


def _class_signature(module: str, node: ast.ClassDef) -> Signature:
    """Return the signature of `__init__`, the dataclass fields, or what the first base of the same package has.

    A class without any of these (say a bare `nn.Module`) takes no arguments.
    """
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            arguments = _function_arguments(item, is_method=True)
            return Signature(node.name, module, arguments, is_open=item.args.kwarg is not None)
    inherited = Signature(node.name, module, {})
    for base in node.bases:
        found = definition(module, base.id) if isinstance(base, ast.Name) else None
        is_ours = found is not None and found[0].split(".")[0] == module.split(".")[0]
        if found is not None and is_ours and isinstance(found[1], ast.ClassDef):
            inherited = _class_signature(found[0], found[1])
            break
    if any("dataclass" in ast.unparse(d) for d in node.decorator_list):
        own = _dataclass_arguments(node)
        return Signature(node.name, module, {**inherited.arguments, **own})
    return Signature(node.name, inherited.module, inherited.arguments, inherited.is_open)


@lru_cache(maxsize=512)
def signature_of(target: str) -> Signature | None:
    """Return the signature of a class or function by its dotted name, or None if there is no such thing."""
    module, _, name = target.rpartition(".")
    found = definition(module, name) if module else None
    if found is None:
        return None
    if isinstance(found[1], ast.ClassDef):
        return _class_signature(found[0], found[1])
    if isinstance(found[1], ast.FunctionDef):
        arguments = _function_arguments(found[1], is_method=False)
        return Signature(name, found[0], arguments, is_open=found[1].args.kwarg is not None)
    return None


def is_node(value: object) -> bool:
    """Tell whether a plain config value describes an object to be built."""
    return isinstance(value, dict) and "_target_" in value
