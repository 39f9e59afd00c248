"""A table of JSON lines: one object per line, its columns are keys, also of objects inside (`translation.zh`)."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from seq2seq_lab.data.table_header import near
from seq2seq_lab.data.text import BLANK
from seq2seq_lab.errors import DataError

_SHOWN, _DEEPEST = 20, 8
"""Fields that an error names, and the levels of objects in which it looks for them."""


def json_cells(
    lines: Iterable[str], path: str, columns: tuple[int | str, ...], counts: Counter[str]
) -> Iterator[list[str]]:
    """Yield the chosen values of each object; all must be strings."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            row = _json_object(line, f"{path}:{number}")
            yield [text_at(row, c, f"{path}:{number}") for c in columns]
        else:
            counts[BLANK] += 1


def _json_object(line: str, place: str) -> dict[str, Any]:
    try:
        row = json.loads(line, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{place}:{error.colno}: not JSON: {error.msg}; write one object per line"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON of one object per line: {error}") from error
    if not isinstance(row, dict):
        raise DataError(
            f'{place}: expected an object such as {{"en": "Hi.", "zh": "嗨。"}}, got {line[:40]}'
        )
    return row


def _without_repeats(items: list[tuple[str, object]]) -> dict[str, object]:
    row = dict(items)
    if len(row) != len(items):
        raise ValueError("a key is there twice")
    return row


def fields_at(row: dict[str, Any], name: str) -> list[Any]:
    """Return what lies at a dotted name, as a list of one value or none; a key that has the dots itself wins."""
    if name in row:
        return [row[name]]
    parts = name.split(".")
    for i in range(len(parts) - 1, 0, -1):  # `a.b` as one key before `b` of `a`
        inner = row.get(".".join(parts[:i]))
        found = fields_at(inner, ".".join(parts[i:])) if isinstance(inner, dict) else []
        if found:
            return found
    return []


def field_names(row: dict[str, Any], deepest: int = _DEEPEST) -> list[str]:
    """Return the dotted names of the values in an object that are no objects themselves."""
    names = []
    for key, value in row.items():
        inner = field_names(value, deepest - 1) if isinstance(value, dict) and deepest > 1 else []
        names += [f"{key}.{name}" for name in inner] or [key]
    return names


def text_at(row: dict[str, Any], column: int | str, place: str) -> str:
    """Return the text at a dotted name of an object; `DataError` with the names that are there."""
    found = [] if isinstance(column, int) else fields_at(row, column)
    if not found:
        names = field_names(row)
        shown = ", ".join(map(repr, names[:_SHOWN])) or "none"
        if isinstance(column, int):
            text = f"{place}: JSON has no column {column}, only keys: {shown}; set data.source_column and target_column"
            raise DataError(text)
        raise DataError(f"{place}: no key {column!r}; the keys are {shown}{near(column, names)}")
    (value,) = found
    if isinstance(value, dict) and value:
        fields = ", ".join(f"{column}.{name}" for name in field_names(value)[:_SHOWN])
        raise DataError(f"{place}: {column!r} is an object; name one of its fields: {fields}")
    if not isinstance(value, str):
        raise DataError(
            f"{place}: {column!r} must be a string, got {json.dumps(value, default=str)[:40]}"
        )
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise DataError(f"{place}: {column!r} holds \\u0000 or half of a UTF-16 pair; fix the text")
    return value
