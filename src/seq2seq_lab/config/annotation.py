"""Whether a plain config value fits a type annotation, and the message where it does not."""

import ast
import json
import re
from collections.abc import Callable
from typing import Any

from seq2seq_lab.config.definition import definition
from seq2seq_lab.config.keys import MISSING, is_node
from seq2seq_lab.config.kind import can_be_called, is_kind
from seq2seq_lab.config.signature import Argument

_LISTS = ("list", "Sequence", "Iterable", "tuple")


def is_number(value: object) -> bool:
    """Tell whether the value is an int or a float (a bool is neither)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


_SIMPLE: dict[str, Callable[[Any], bool]] = {
    "Any": lambda _: True,
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: is_number(value) and isinstance(value, int),
    "float": is_number,
    "str": _is_text,
    "Path": _is_text,
    "Callable": is_node,
    "dict": lambda value: isinstance(value, dict) and not is_node(value),
    **dict.fromkeys(_LISTS, lambda value: isinstance(value, list)),
}


def fits(value: Any, expr: ast.expr | None, module: str) -> bool:
    """Tell whether the value fits the annotation `expr`, whose names are looked up in `module`."""
    if value == MISSING:
        return True
    match expr:
        case ast.Constant(value=str(text)):
            return fits(value, ast.parse(text, mode="eval").body, module)
        case ast.Constant():
            return value is None
        case ast.BinOp(left=left, right=right):
            return fits(value, left, module) or fits(value, right, module)
        case ast.Subscript(value=outer, slice=inner):
            options = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return _fits_subscript(value, ast.unparse(outer), options, module)
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in _SIMPLE:
            return _SIMPLE[name](value)
        case ast.Attribute(attr=name):  # nn.Module is a class; torch.device: no way to tell
            return is_node(value) or not name[0].isupper()
        case ast.Name(id=name):
            return _fits_name(value, name, module)
    return True  # nothing is known of this annotation, so nothing can be wrong


def _fits_name(value: Any, name: str, module: str) -> bool:
    match definition(module, name):
        case (place, ast.ClassDef() as kind):
            return is_node(value) and _is_of(value, place, kind)
        case (place, ast.Name() | ast.Subscript() | ast.BinOp() as alias):
            return fits(value, alias, place)
    return True


def _fits_subscript(value: Any, name: str, options: list[ast.expr], module: str) -> bool:
    if name in {"Optional", "Union"}:
        is_none = value is None and name == "Optional"
        return is_none or any(fits(value, option, module) for option in options)
    if name == "Literal":
        allowed = [ast.literal_eval(option) for option in options]
        return any(type(value) is type(one) and value == one for one in allowed)
    if name == "tuple" and ast.unparse(options[-1]) != "...":
        is_long = isinstance(value, list) and len(value) == len(options)
        return is_long and all(map(fits, value, options, [module] * len(value)))
    if name in _LISTS:
        return isinstance(value, list) and all(fits(v, options[0], module) for v in value)
    if name == "dict":
        return _SIMPLE[name](value) and all(fits(v, options[1], module) for v in value.values())
    if name == "Callable" and is_node(value) and _is_known(value["_target_"]):
        if value.get("_partial_") is not True:
            count = len(options[0].elts) if isinstance(options[0], ast.List) else None
            return can_be_called(value["_target_"], count)
        made = definition(module, options[-1].id) if isinstance(options[-1], ast.Name) else None
        if made is not None and isinstance(made[1], ast.ClassDef):
            return is_kind(value["_target_"], made[0], made[1])
    return is_node(value)  # Callable[...] or a generic class


def _is_known(target: object) -> bool:
    return isinstance(target, str) and definition(*target.rpartition(".")[::2]) is not None


def _is_of(node: dict, place: str, kind: ast.ClassDef) -> bool:
    """Tell whether the node builds an object of a kind; an unknown target is refused where targets are checked."""
    target = node["_target_"]
    if not _is_known(target):
        return True
    return node.get("_partial_") is not True and is_kind(target, place, kind)


def show(value: Any) -> str:
    """Return the value as YAML would write it, cut to one short line."""
    if is_node(value):
        return f"a {str(value['_target_']).rpartition('.')[2]} node"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _correction(value: Any, expected: str) -> str:
    """Return `; write VALUE` where the value only needs another spelling."""
    words = set(re.findall(r"\w+", expected))
    if isinstance(value, float) and "int" in words and value.is_integer():
        return f"; write {int(value)}"
    if isinstance(value, str) and "bool" in words and value.lower() in {"yes", "no", "on", "off"}:
        return f"; write {str(value.lower() in {'yes', 'on'}).lower()}"
    if isinstance(value, str) and words & {"int", "float"}:
        try:
            number = float(value)
        except ValueError:
            return ""
        if re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", value) and "float" in words:
            return "; write " + re.sub("[eE]", ".0e", value)
        if "float" in words or number.is_integer():
            return f"; write {value.strip()} without quotes"
    return ""


def mismatch(value: Any, argument: Argument) -> str | None:
    """Return why the value does not fit the argument (`expected int, got 'x'`), or None if it fits."""
    if argument.annotation is None or fits(value, argument.annotation, argument.module):
        return None
    expected = ast.unparse(argument.annotation).strip("'\"")
    if re.fullmatch(r"[\w.]*\b[A-Z]\w*", expected) and expected not in {"Any", "Path"}:
        expected = f"a {expected.rpartition('.')[2]} (a node with _target_)"
    return f"expected {expected}, got {show(value)}{_correction(value, expected)}"
