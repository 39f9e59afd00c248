"""Columns of a table that are conditioning features: `text<TAB>features`, as the tokenizer `features` reads it."""

from collections import Counter
from collections.abc import Sequence

from seq2seq_lab.data.text import single_line

Column = int | str
WITH_TAB = "tab in a source with features made a space, kept"
SEPARATOR = ";"


def checked_columns(columns: Column | Sequence[Column] | None) -> tuple[Column, ...]:
    """Return the columns of the features, one or several; `ValueError` for none in a list, or a number below 1."""
    if columns is None:
        return ()
    chosen = (columns,) if isinstance(columns, int | str) else tuple(columns)
    if not chosen:
        raise ValueError("feature_column=[]: name a column or several, or null for no features")
    for column in chosen:
        if isinstance(column, int) and column < 1:
            raise ValueError(
                f"feature_column={column}: columns are counted from 1; or give the name in the header"
            )
    return chosen


def with_features(cells: Sequence[str], counts: Counter[str]) -> tuple[str, str]:
    """Return source and target of a row of source, target and features; the columns of features join by `;`.

    A row whose features are empty is the source alone. With features a tab inside the source becomes a space.
    """
    source, target, *features = map(single_line, cells)
    if not features:
        return source, target
    counts.update({WITH_TAB: 1} if "\t" in source else {})
    source = source.replace("\t", " ")
    written = [text for text in map(str.strip, features) if text]
    return (f"{source}\t{SEPARATOR.join(written)}" if written else source), target
