"""beartype as the tests use it: everything but `Self`, names in quotes and structural protocols, which it cannot check.

`with_shapes` stands in for what jaxtyping's import hook puts before each function. The original checks every argument
twice and binds the arguments of functions without tensors too, which makes decoding five times as slow.
"""

import dataclasses
import functools
import typing
from collections.abc import Callable
from typing import Any, Self

import jaxtyping
from beartype import beartype
from jaxtyping._storage import pop_shape_memo, push_shape_memo


def checked(function: Callable) -> Callable:
    """Return the function with its arguments and result checked at each call."""
    hints = getattr(function, "__annotations__", {})
    for name, hint in hints.items():
        if hint is Self or isinstance(hint, str) or getattr(hint, "_is_protocol", False):
            hints[name] = Any
    return beartype(function)


def _holds_a_shape(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    parts = hint if isinstance(hint, list) else typing.get_args(hint)
    return isinstance(hint, str) or any(map(_holds_a_shape, parts))


def _at_each_call(function: Callable, typechecker: Callable) -> Callable:
    hints = getattr(function, "__annotations__", {})
    if not hints:
        return function
    has_shapes = any(map(_holds_a_shape, hints.values()))
    inner = typechecker(function)

    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        if jaxtyping.config.jaxtyping_disable:
            return function(*args, **named)
        if not has_shapes:
            return inner(*args, **named)
        push_shape_memo({})  # sizes are bound by name from here on
        try:
            return inner(*args, **named)
        finally:
            pop_shape_memo()

    return call


def with_shapes(*, typechecker: Callable) -> Callable:
    """Return the decorator of functions and data classes; the same name of a size is the same number in a call."""

    def decorate(target: Any) -> Any:
        if not isinstance(target, type):
            return _at_each_call(target, typechecker)
        if dataclasses.is_dataclass(target) and "__init__" in vars(target):
            target.__init__ = _at_each_call(target.__init__, typechecker)  # type: ignore[misc]
        return target

    return decorate
