"""Whether a plain config value fits a type annotation, and how to say so when it does not."""

import ast
import json
import re
from collections.abc import Callable
from typing import Any

from seq2seq_lab.config.signature import MISSING, Argument, definition, is_node

_LISTS = frozenset({"list", "List", "Sequence", "Iterable", "Collection", "tuple", "Tuple"})
_DICTS = frozenset({"dict", "Dict", "Mapping", "MutableMapping"})
_TEXTS = frozenset({"str", "Path", "PathLike"})
_ANYTHING = frozenset({"Any", "object", "TypeVar", "Self"})


def is_number(value: object) -> bool:
    """Tell whether the value is an int or a float (a bool is neither)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_mapping(value: object) -> bool:
    return isinstance(value, dict) and not is_node(value)


_BUILTINS: dict[str, Callable[[Any], bool]] = {
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": is_number,
    "Callable": is_node,
    "type": is_node,
    **dict.fromkeys(_ANYTHING, lambda _: True),
    **dict.fromkeys(_TEXTS, lambda value: isinstance(value, str)),
    **dict.fromkeys(_LISTS, lambda value: isinstance(value, list)),
    **dict.fromkeys(_DICTS, _is_mapping),
}


def _fits_name(value: Any, name: str, module: str, depth: int) -> bool:
    if name in _BUILTINS:
        return _BUILTINS[name](value)
    found = definition(module, name) if depth < 8 else None
    if found is None or isinstance(found[1], ast.FunctionDef | ast.Call):
        return True  # nothing is known of this name, so nothing can be wrong
    if isinstance(found[1], ast.ClassDef):
        return is_node(value)
    return fits(value, found[1], found[0], depth + 1)


def _fits_list(value: Any, name: str, items: list[ast.expr], module: str, depth: int) -> bool:
    if not isinstance(value, list):
        return False
    is_fixed = name in {"tuple", "Tuple"} and ast.unparse(items[-1]) != "..."
    if is_fixed and len(items) != len(value):
        return False
    types = items if is_fixed else [items[0]] * len(value)
    return all(fits(v, t, module, depth + 1) for v, t in zip(value, types, strict=True))


def _fits_subscript(value: Any, expr: ast.Subscript, module: str, depth: int) -> bool:
    name = ast.unparse(expr.value).split(".")[-1]
    items = expr.slice.elts if isinstance(expr.slice, ast.Tuple) else [expr.slice]
    if name == "Optional":
        return value is None or fits(value, items[0], module, depth + 1)
    if name == "Union":
        return any(fits(value, item, module, depth + 1) for item in items)
    if name in {"Annotated", "Final"}:
        return fits(value, items[0], module, depth + 1)
    if name == "Literal":
        options = [ast.literal_eval(item) for item in items]
        return any(type(value) is type(option) and value == option for option in options)
    if name in _LISTS:
        return _fits_list(value, name, items, module, depth)
    if name in _DICTS:
        return _is_mapping(value) and all(
            fits(v, items[-1], module, depth + 1) for v in value.values()
        )
    return is_node(value)  # Callable[...], type[...], or a generic class


def fits(value: Any, expr: ast.expr | None, module: str, depth: int = 0) -> bool:
    """Tell whether the value fits the annotation `expr`, whose names are looked up in `module`."""
    if expr is None or value == MISSING:
        return True
    if isinstance(expr, ast.Constant):
        if isinstance(expr.value, str):
            return fits(value, ast.parse(expr.value, mode="eval").body, module, depth + 1)
        return value is None if expr.value is None else True
    if isinstance(expr, ast.BinOp):
        return fits(value, expr.left, module, depth) or fits(value, expr.right, module, depth)
    if isinstance(expr, ast.Subscript):
        return _fits_subscript(value, expr, module, depth)
    if isinstance(expr, ast.Name):
        return _fits_name(value, expr.id, module, depth)
    if isinstance(
        expr, ast.Attribute
    ):  # nn.Module, torch.Tensor: a class; torch.device: no way to tell
        if expr.attr in _BUILTINS:
            return _fits_name(value, expr.attr, module, depth)
        return is_node(value) or not expr.attr[0].isupper()
    return True


def show(value: Any) -> str:
    """Return a short picture of a config value, as YAML would write it."""
    if is_node(value):
        return f"a {str(value['_target_']).rpartition('.')[2]} node"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _hint(value: Any, expected: str) -> str:
    words = set(re.findall(r"\w+", expected))
    if isinstance(value, str) and words & {"int", "float"}:
        try:
            number = float(value)
        except ValueError:
            return ""
        if re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", value) and "float" in words:
            return "; write " + re.sub("[eE]", ".0e", value)
        if "float" in words or number.is_integer():
            return f"; write {value.strip()} without quotes"
    if isinstance(value, float) and "int" in words and value.is_integer():
        return f"; write {int(value)}"
    if isinstance(value, str) and "bool" in words and value.lower() in {"yes", "no", "on", "off"}:
        return f"; write {str(value.lower() in {'yes', 'on'}).lower()}"
    return ""


def mismatch(value: Any, argument: Argument, module: str) -> str | None:
    """Return why the value does not fit the argument (`expected int, got 'x'`), or None if it fits."""
    if value is None and argument.default_is_none:
        return None
    if argument.annotation is None or fits(value, argument.annotation, module):
        return None
    expected = ast.unparse(argument.annotation).strip("'\"")
    if re.fullmatch(r"[\w.]*\b[A-Z]\w*", expected) and expected not in {"Any", "Path"}:
        expected = f"a {expected.rpartition('.')[2]} (a node with _target_)"
    return f"expected {expected}, got {show(value)}{_hint(value, expected)}"
