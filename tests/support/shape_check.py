"""beartype as the tests use it: everything but `Self` and structural protocols, which it cannot check alone."""

from collections.abc import Callable
from typing import Any, Self

from beartype import beartype


def checked(function: Callable) -> Callable:
    """Return the function with its arguments and result checked at each call."""
    hints = getattr(function, "__annotations__", {})
    for name, hint in hints.items():
        if hint is Self or getattr(hint, "_is_protocol", False):
            hints[name] = Any
    return beartype(function)
