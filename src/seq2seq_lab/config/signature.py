"""A constructor's arguments and their types, read from its source text.

Why not `inspect.signature`: the constructor is the only schema of a config node, all mistakes of a config come in one
message within 3 seconds, and a third of the nodes (trainer, callbacks, logger, data module) are classes whose module
imports Lightning: 5 s of CPU after torch's 2.5 s, and 1 s more for wandb. One mechanism for all is shorter than two.
What is read is not run: a config cannot make this module import anything.
"""

import ast
from dataclasses import dataclass, replace
from functools import cache

from seq2seq_lab.config.definition import definition, resolved
from seq2seq_lab.config.extension_registry import extensions

_LIBRARIES = ("seq2seq_lab", "torch", "pytorch_lightning")
"""Whose constructors a class of an extension may inherit, besides those of other extensions."""
_NO_ARGUMENTS = ("object", "ABC", "Protocol", "nn.Module", "torch.nn.Module", "Module")
"""Bases that need not be read."""


@dataclass(frozen=True)
class Argument:
    """One constructor argument; `annotation` is the syntax tree of its type, if it has one, read in `module`."""

    annotation: ast.expr | None
    required: bool = False
    module: str = "builtins"


@dataclass(frozen=True)
class Signature:
    """The arguments of a class. `is_open` means that it also takes any other keyword."""

    name: str
    arguments: dict[str, Argument]
    is_open: bool = False


def _method_arguments(node: ast.FunctionDef, module: str) -> dict[str, Argument]:
    positional = [*node.args.posonlyargs, *node.args.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(node.args.defaults))
    pairs = [*zip(positional, [*defaults, *node.args.defaults], strict=True)][1:]  # without self
    pairs += zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    return {a.arg: Argument(a.annotation, default is None, module) for a, default in pairs}


def _dataclass_arguments(node: ast.ClassDef, module: str) -> dict[str, Argument]:
    return {
        line.target.id: Argument(line.annotation, line.value is None, module)
        for line in node.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
        if "ClassVar" not in ast.unparse(line.annotation)
    }


def _class_signature(module: str, node: ast.ClassDef) -> Signature | None:
    """Return the signature of `__init__`, the dataclass fields, or what the first base has that states any.

    None of a class without any of these, say a bare `nn.Module`: it takes no arguments.
    """
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            own = Signature(node.name, _method_arguments(item, module), item.args.kwarg is not None)
            return _with_passed_on(own, module, node, item) if own.is_open else own
    inherited = _inherited(module, node)
    if any("dataclass" in ast.unparse(d) for d in node.decorator_list):
        before = inherited.arguments if inherited else {}
        return Signature(node.name, {**before, **_dataclass_arguments(node, module)})
    return inherited and replace(inherited, name=node.name)


def _inherited(module: str, node: ast.ClassDef) -> Signature | None:
    """Return what the first base states whose source may be followed from this module."""
    for base in node.bases:
        if ast.unparse(base) in _NO_ARGUMENTS:
            continue
        match resolved(module, base, node.lineno):
            case (place, ast.ClassDef() as kind) if _is_followed(place, module):
                found = _class_signature(place, kind)
                if found is not None:
                    return found
    return None


def _is_followed(place: str, module: str) -> bool:
    """Tell whether a class of `module` inherits the arguments of one of `place`: of its own package, or known ones."""
    root, own = place.partition(".")[0], module.partition(".")[0]
    return root == own or (own in extensions() and (root in _LIBRARIES or root in extensions()))


def _with_passed_on(
    own: Signature, module: str, node: ast.ClassDef, init: ast.FunctionDef
) -> Signature:
    """Return the signature with what `**kwargs` hands on to the constructor of the base, in place of any keyword."""
    base, call = _inherited(module, node), _call_of_base(init)
    if (
        call is None
    ):  # nobody says which keywords there are: a misspelt one would be taken in silence
        is_of_extension = module.partition(".")[0] in extensions()
        return replace(own, is_open=False) if is_of_extension else own
    if base is None:
        return own
    is_super = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Call)
    positional = call.args if is_super else call.args[1:]
    taken = {keyword.arg for keyword in call.keywords}
    if not any(isinstance(one, ast.Starred) for one in positional):
        taken |= {*list(base.arguments)[: len(positional)]}
    passed = {name: one for name, one in base.arguments.items() if name not in taken}
    return Signature(node.name, {**passed, **own.arguments}, base.is_open)


def _call_of_base(init: ast.FunctionDef) -> ast.Call | None:
    """Return the call of the base's constructor that hands on the keywords that have no name here."""
    assert init.args.kwarg is not None
    for item in ast.walk(init):
        match item:
            case ast.Call(func=ast.Attribute(attr="__init__"), keywords=keywords):
                rest = [k.value for k in keywords if k.arg is None]
                if any(isinstance(r, ast.Name) and r.id == init.args.kwarg.arg for r in rest):
                    return item
    return None


@cache
def signature_of(target: str) -> Signature | None:
    """Return the signature of a class by its dotted name, or None if there is no such class."""
    module, _, name = target.rpartition(".")
    match definition(module, name) if module else None:
        case (place, ast.ClassDef() as node):
            return _class_signature(place, node) or Signature(node.name, {})
    return None
