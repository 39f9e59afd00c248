"""A corpus of your own pairs in one table: TSV, CSV or JSON lines, plain or gzip, split automatically."""

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from seq2seq_lab.data.corpus import ParallelText
from seq2seq_lab.data.feature_columns import Column, checked_columns, with_features
from seq2seq_lab.data.json_lines import json_cells
from seq2seq_lab.data.pairs import Pairs, collect
from seq2seq_lab.data.parallel import check_languages, drop_empty
from seq2seq_lab.data.split import Shares, by_source, split_pairs
from seq2seq_lab.data.table_header import column_advice, names_not_texts, near, shown_cells
from seq2seq_lab.data.text import BLANK, MAX_LINE, iter_lines, open_text
from seq2seq_lab.errors import ConfigError, DataError

_FORMATS = {".tsv": "tsv", ".tab": "tsv", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
HEADER = "first row looks like a header, kept"
Row = tuple[int, list[str]]


class TableFile:
    """One pair per row; the suffix names the format: .tsv .tab .csv .jsonl .ndjson, each also with .gz.

    TSV: columns between tabs, no quoting. CSV: commas and double quotes as Python's `csv` reads them. JSON lines: one
    object per line. A column is a number counted from 1, as by `cut -f` and spreadsheets, or a name; with a name the
    first row is the header, with two numbers every row is a pair. Without columns (null) the table must have two and
    no header: more columns, or a first row that looks like names, are refused. JSON columns are keys, and
    `translation.zh` is the field `zh` of the object `translation`. A line end inside a cell becomes a space. Blank
    lines and pairs with an empty side are left out and counted. `feature_column`, one or a list, names the columns of
    conditioning features, which follow the source after a tab: `data/tokenizer@data.source_tokenizer=features` reads
    them.

    Splits are made by the texts alone (see `split.py`): no source lies in two splits, each has at least one pair and
    at most 2,000 are held out. A fraction of 0 holds nothing out: that split repeats the training pairs;
    `all_in_training` does so for both, as wanted for tables of five pairs (`debug=overfit`).
    """

    def __init__(
        self,
        path: str | None,
        source_language: str,
        target_language: str,
        source_column: int | str | None = None,
        target_column: int | str | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        feature_column: int | str | list[int | str] | None = None,
        *,
        all_in_training: bool = False,
    ):
        check_languages(source_language, target_language)
        for name, column in (("source_column", source_column), ("target_column", target_column)):
            if isinstance(column, int) and column < 1:
                raise ValueError(
                    f"{name}={column}: columns are counted from 1; or give the name in the header"
                )
        self.columns: tuple[Column, ...] = (
            1 if source_column is None else source_column,
            2 if target_column is None else target_column,
        )
        self.features = checked_columns(feature_column)
        self.is_named = None not in (source_column, target_column)
        if self.columns[0] == self.columns[1]:
            raise ValueError(
                f"source_column={self.columns[0]}, target_column={self.columns[1]}: must differ"
            )
        self.columns += self.features
        if len(set(self.columns)) != len(self.columns):
            raise ValueError(
                f"feature_column={feature_column}: a column is named twice; source, target and features must differ"
            )
        self.path = path
        self.source_language, self.target_language = source_language, target_language
        shares = Shares(val_fraction, test_fraction)
        self.shares = Shares(0.0, 0.0) if all_in_training else shares

    def paths(self) -> list[Path]:
        """Return the file of the table."""
        return [] if self.path is None else [Path(self.path)]

    def read(self) -> ParallelText:
        """Read the table; raises `DataError` with file:line for a row that does not fit."""
        if self.path is None:
            raise ConfigError(
                "data.path is not set: name a .tsv, .csv or .jsonl file, data.path=FILE"
            )
        cut, blank = Counter[str](), Counter[str]()
        rows_read = self._pairs(self.path, cut, blank)
        pairs, empty = drop_empty(rows_read)
        if not pairs:
            raise DataError(
                f"{self.path}: no pair with text on both sides in {len(rows_read)} rows"
            )
        dropped = dict(cut) | empty | dict(blank)
        return split_pairs(pairs, by_source(pairs), self.shares, dropped, self.path)

    def _pairs(self, path: str, cut: Counter[str], blank: Counter[str]) -> Pairs:
        kind = table_format(path)
        with open_text(path) as stream:
            lines = iter_lines(stream, path, cut)
            if kind == "jsonl":
                cells = json_cells(lines, path, self.columns, blank)
            else:
                rows = (tsv_rows if kind == "tsv" else csv_rows)(lines, path, blank)
                cells = table_cells(self._checked(rows, blank), path, self.columns, kind)
            return collect(with_features(row, cut) for row in cells)

    def _checked(self, rows: Iterator[Row], counts: Counter[str]) -> Iterator[Row]:
        """Give the rows again; refuse a table where it is a guess which columns, or which rows, are meant."""
        some = list(itertools.islice(rows, 50))
        found = [cells for _, cells in some]
        has_names = any(isinstance(column, str) for column in self.columns)
        if found and not has_names:
            width, place = len(found[0]), f"{self.path}:{some[0][0]}"
            is_header = names_not_texts(found, (self.source_language, self.target_language))
            if self.is_named:
                counts.update({HEADER: 1} if is_header else {})
            elif width > 2:
                raise DataError(
                    f"{place}: {width} columns, which of them are source and target? The first row has "
                    f"{shown_cells(found[0])}; for the first two e.g. write {column_advice(found[0])}"
                )
            elif is_header:
                raise DataError(
                    f"{place}: the first row looks like a header: {shown_cells(found[0])}; write "
                    f"{column_advice(found[0])}"
                )
        elif found and not self.is_named and len(found[0]) > 2:
            raise DataError(
                f"{self.path}:{some[0][0]}: {len(found[0])} columns and only one of them named; write "
                f"data.source_column=NAME data.target_column=NAME, the header has {shown_cells(found[0])}"
            )
        return itertools.chain(some, rows)


def table_format(path: str) -> str:
    """Return `tsv`, `csv` or `jsonl` by the suffix, .gz not counted."""
    name = re.sub(r"\.gz$", "", path, flags=re.IGNORECASE)
    kind = _FORMATS.get(Path(name).suffix.lower())
    if kind is None:
        raise DataError(
            f"{path}: which format is this? Give it a suffix of {' '.join(_FORMATS)} (.gz may follow); "
            "spreadsheets: export as UTF-8 CSV"
        )
    return kind


def tsv_rows(lines: Iterable[str], path: str, counts: Counter[str]) -> Iterator[Row]:  # noqa: ARG001
    """Yield (line number, cells) of each line that is not blank."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, line.split("\t")
        else:
            counts[BLANK] += 1


def csv_rows(lines: Iterable[str], path: str, counts: Counter[str]) -> Iterator[Row]:
    """Yield (number of the row's first line, cells) of each row that is not blank."""
    reader = csv.reader((f"{line}\n" for line in lines), strict=True)
    limit = csv.field_size_limit(MAX_LINE)
    first = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield first, row
            else:
                counts[BLANK] += 1
            first = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}:{first}: not CSV: {error}; put cells with commas or quotes in double quotes and double "
            "the quotes inside"
        ) from error
    finally:
        csv.field_size_limit(limit)


def table_cells(
    rows: Iterator[Row], path: str, columns: tuple[Column, ...], kind: str
) -> Iterator[list[str]]:
    """Yield the chosen cells of each row; every row must be as wide as the first."""
    first = next(rows, None)
    if first is None:
        raise DataError(
            f"{path}: empty, there is no row in it; choose another file with data.path=FILE"
        )
    width = len(first[1])
    has_header = any(isinstance(column, str) for column in columns)
    places = [_position(column, first, path, kind) for column in columns]
    for (i, one), (j, other) in itertools.combinations(enumerate(places), 2):
        if one == other:
            raise DataError(
                f"{path}:{first[0]}: columns {columns[i]} and {columns[j]} are the same one"
            )
    if not has_header:
        yield [first[1][place] for place in places]
    for number, row in rows:
        if len(row) != width:
            separator = "tabs" if kind == "tsv" else "commas"
            counts = f"{len(row)} columns between {separator}, but line {first[0]} has {width}"
            raise DataError(f"{path}:{number}: {counts}; fix the row")
        yield [row[place] for place in places]


def _position(column: int | str, first: Row, path: str, kind: str) -> int:
    number, cells = first
    if isinstance(column, int):
        if column <= len(cells):
            return column - 1
        hint = _separator_hint(cells, kind) if len(cells) == 1 else ""
        raise DataError(
            f"{path}:{number}: there is no column {column}, only 1 to {len(cells)}{hint}"
        )
    if cells.count(column) == 1:
        return cells.index(column)
    names = ", ".join(repr(cell) for cell in cells[:20])
    if column in cells:
        same = " and ".join(str(i) for i, cell in enumerate(cells, start=1) if cell == column)
        raise DataError(
            f"{path}:{number}: several columns named {column!r} ({same}); the header has {names}; rename one of them"
        )
    raise DataError(
        f"{path}:{number}: no column named {column!r}; the header has {names}{near(column, cells)}; columns without a "
        "header go by number, data.source_column=1"
    )


def _separator_hint(cells: list[str], kind: str) -> str:
    for mark, name in (
        ("\t", "tabs: rename it to .tsv"),
        (";", "semicolons"),
        (",", "commas: rename it to .csv"),
    ):
        if mark in cells[0]:
            return f"; the line has {name}" + ("; save it with commas" if mark == ";" else "")
    return f"; put one {'tab' if kind == 'tsv' else 'comma'} between source and target"
