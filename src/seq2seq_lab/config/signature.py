"""A constructor's arguments and their types, read from its source text.

Why not `inspect.signature`: the constructor is the only schema of a config node, all mistakes of a config come in one
message within 3 seconds, and a third of the nodes (trainer, callbacks, logger, data module) are classes whose module
imports Lightning: 5 s of CPU after torch's 2.5 s, and 1 s more for wandb. One mechanism for all is shorter than two.
What is read is not run: a config cannot make this module import anything.
"""

import ast
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Argument:
    """One constructor argument; `annotation` is the syntax tree of its type, if it has one."""

    annotation: ast.expr | None
    required: bool = False


@dataclass(frozen=True)
class Signature:
    """The arguments of a class. `is_open` means that it also takes any other keyword."""

    name: str
    module: str
    arguments: dict[str, Argument]
    is_open: bool = False


@dataclass(frozen=True)
class _Import:
    module: str
    name: str


_Definition = ast.ClassDef | ast.FunctionDef | ast.expr


def source_file(module: str) -> Path | None:
    """Return the file of a module. Only the finder of its top-level package is asked, nothing is imported."""
    root, *rest = parts = module.split(".")
    spec = importlib.util.find_spec(root) if all(map(str.isidentifier, parts)) else None
    if spec is None or not (spec.origin or "").endswith(".py"):
        return None
    origin = Path(spec.origin or "")
    base = origin.parent.joinpath(*rest)
    files = [base.with_suffix(".py"), base / "__init__.py"] if rest else [origin]
    return next((file for file in files if file.is_file()), None)


@cache
def _names(module: str) -> dict[str, _Definition | _Import]:
    """Return what each name at the top of a module is."""
    file = source_file(module)
    names: dict[str, _Definition | _Import] = {}
    if file is None:
        return names
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        match node:
            case ast.ClassDef() | ast.FunctionDef():
                names[node.name] = node
            case ast.ImportFrom():
                origin = "." * node.level + (node.module or "")
                origin = importlib.util.resolve_name(origin, package)
                names |= {a.asname or a.name: _Import(origin, a.name) for a in node.names}
            case ast.Assign(targets=[ast.Name(id=name), *_], value=value):
                names[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                names[name] = value
    return names


def definition(module: str, name: str) -> tuple[str, _Definition] | None:
    """Return (module, syntax tree) of a name, following re-exports; None if it cannot be found."""
    found = _names(module).get(name)
    if isinstance(found, _Import):
        return definition(found.module, found.name)
    return None if found is None else (module, found)


def public_classes(module: str) -> list[str]:
    """Return the names of the public classes that a module itself defines."""
    return [n for n, d in _names(module).items() if isinstance(d, ast.ClassDef) and n[0] != "_"]


def _method_arguments(node: ast.FunctionDef) -> dict[str, Argument]:
    positional = [*node.args.posonlyargs, *node.args.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(node.args.defaults))
    pairs = [*zip(positional, [*defaults, *node.args.defaults], strict=True)][1:]  # without self
    pairs += zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    return {a.arg: Argument(a.annotation, default is None) for a, default in pairs}


def _dataclass_arguments(node: ast.ClassDef) -> dict[str, Argument]:
    return {
        line.target.id: Argument(line.annotation, line.value is None)
        for line in node.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
        if "ClassVar" not in ast.unparse(line.annotation)
    }


def _class_signature(module: str, node: ast.ClassDef) -> Signature:
    """Return the signature of `__init__`, the dataclass fields, or what the first base of the same package has.

    A class without any of these (say a bare `nn.Module`) takes no arguments.
    """
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            is_open = item.args.kwarg is not None
            return Signature(node.name, module, _method_arguments(item), is_open)
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


@cache
def signature_of(target: str) -> Signature | None:
    """Return the signature of a class by its dotted name, or None if there is no such class."""
    module, _, name = target.rpartition(".")
    found = definition(module, name) if module else None
    if found is None or not isinstance(found[1], ast.ClassDef):
        return None
    return _class_signature(found[0], found[1])
