"""A model's config at tiny sizes: the same classes and options, the same layers, sizes of a few units."""

from collections.abc import Iterator
from math import ceil, lcm
from typing import Any

SMALLEST = 6


def is_width(key: str) -> bool:
    """Return whether an argument of this name is a width; counts (layers, heads, words) keep their value."""
    return key == "dim" or key.endswith("_dim")


def integers(node: Any, key: str = "") -> Iterator[tuple[str, int]]:
    """Yield (argument, value) of every integer in a config node."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from integers(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from integers(value, key)
    elif isinstance(node, int) and not isinstance(node, bool):
        yield key, node


def tiny_widths(node: dict[str, Any]) -> dict[int, int]:
    """Return composed width -> tiny width: equal ones stay equal, the order stays, two directions and heads divide."""
    found = list(integers(node))
    # a head of an even width can be rotated, a bidirectional encoder halves its width
    unit = lcm(2, *(2 * value for key, value in found if key.endswith("heads") and value > 0))
    first = ceil(SMALLEST / unit)
    widths = sorted({value for key, value in found if is_width(key)})
    return {width: (first + i) * unit for i, width in enumerate(widths)}


def shrink(node: dict[str, Any]) -> dict[str, Any]:
    """Return the node with tiny widths."""
    widths = tiny_widths(node)
    return _replaced(node, lambda key, value: widths[value] if is_width(key) else value)


def without_dropout(node: dict[str, Any]) -> dict[str, Any]:
    """Return the node with every dropout at 0."""
    return _replaced(node, lambda key, value: 0.0 if key.endswith("dropout") else value)


def _replaced(node: Any, change: Any, key: str = "") -> Any:
    if isinstance(node, dict):
        return {name: _replaced(value, change, name) for name, value in node.items()}
    if isinstance(node, list):
        return [_replaced(value, change, key) for value in node]
    is_number = isinstance(node, int | float) and not isinstance(node, bool)
    return change(key, node) if is_number else node
