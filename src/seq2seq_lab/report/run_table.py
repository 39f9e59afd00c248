"""A list of runs as a table for people, and as rows with exact numbers for programs."""

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from seq2seq_lab.config.keys import RECORDING, is_below
from seq2seq_lab.errors import one_line
from seq2seq_lab.report.run_list import DAMAGED, DONE, FAILED, RUNNING, ListedRun
from seq2seq_lab.report.run_query import ABSENT, Key, plain, text_of

OVERRIDES, METRIC, FOLDER = "overrides", "metric", "folder"
COLUMNS = ("state", METRIC, "seed", "seconds", "parameters", "model", "data", OVERRIDES, FOLDER)
"""What is shown unless the user chooses; `metric` stands for the chosen one."""

_OWN_COLUMN = ("model", "data", "seed")
_OF_RECORDING = ("hydra", *RECORDING)
_STYLES = {DONE: "green", RUNNING: "cyan", FAILED: "red", DAMAGED: "red"}
_RIGHT = {"seed", "seconds", "parameters"}
_GAP = "  "


@dataclass(frozen=True)
class Column:
    """A column: its head and the key behind it. That of the overrides has none; `metric` has an interval."""

    head: str
    key: Key | None
    has_interval: bool = False


def shown_overrides(runs: Sequence[ListedRun]) -> list[dict[str, str]]:
    """Return for each run its overrides that not all of these runs have, without those of other columns."""
    words = [{k: v for k, v in run.words.items() if not _has_own_place(k)} for run in runs]
    known = sum(bool(run.manifest) for run in runs)
    count = Counter(item for one in words for item in one.items())
    return [{k: v for k, v in one.items() if known == 1 or count[k, v] < known} for one in words]


def _has_own_place(key: str) -> bool:
    """Tell whether an override is shown by another column, or says nothing of what the run computes."""
    return key in _OWN_COLUMN or is_below(key.replace("/", "."), _OF_RECORDING)


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """Return each key with the shortest end that names it alone among them."""
    parts = {key: re.split(r"([/.])", key) for key in keys}
    names: dict[str, str] = {}
    for key, own in parts.items():
        ends = ("".join(own[i:]) for i in range(len(own) - 1, -1, -2))
        names[key] = next(
            (end for end in ends if sum(_ends_with(p, end) for p in parts.values()) == 1), key
        )
    return names


def _ends_with(parts: list[str], end: str) -> bool:
    return any("".join(parts[i:]) == end for i in range(0, len(parts), 2))


def exact_rows(runs: Sequence[ListedRun], columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Return one row of plain values for each run; null for what a run does not have."""
    overrides = shown_overrides(runs)
    rows = []
    for run, differing in zip(runs, overrides, strict=True):
        row: dict[str, Any] = {}
        for column in columns:
            if column.key is None:
                row[column.head] = " ".join(f"{k}={v}" for k, v in differing.items())
                continue
            value = column.key.of(run)
            row[column.head] = None if value is ABSENT else plain(value)
            if column.has_interval:
                low, high = run.intervals.get(column.key.name, (None, None))
                row |= {f"{column.head}_low": low, f"{column.head}_high": high}
        rows.append(row | ({"reason": run.reason} if any(one.reason for one in runs) else {}))
    return rows


def print_table(runs: Sequence[ListedRun], columns: Sequence[Column], console: Console) -> None:
    """Print the runs; on a terminal that is too narrow, the last columns stand on a line of their own below."""
    cells = _table_rows(runs, columns)
    heads = [one_line(column.head) for column in columns]
    widths = [max(map(cell_len, column)) for column in zip(heads, *cells, strict=True)]
    beside = _columns_beside(widths, console)
    right = [column.head in _RIGHT for column in columns]

    def line(row: Sequence[str]) -> str:
        padded = (
            " " * (width - cell_len(cell)) + cell if is_right else cell + " " * (width - cell_len(cell))
            for cell, width, is_right in zip(row[:beside], widths, right, strict=False)
        )  # fmt: skip
        return _GAP.join(padded).rstrip()

    below = _GAP.join(heads[beside:])
    _print(console, Text(line(heads), "bold"))
    if below:
        _print(console, Text(f"{_GAP}{below}", "bold"))
    for run, row in zip(runs, cells, strict=True):
        _print(console, _coloured(line(row), run.state, heads, row, widths))
        for cell in filter(None, row[beside:]):
            _print(console, Text(f"{_GAP}{cell}"))
        if run.reason:
            _print(console, Text(f"{_GAP}{one_line(run.reason)}", "red"))


def _print(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True, highlight=False)


def _columns_beside(widths: Sequence[int], console: Console) -> int:
    """Return how many columns stand side by side: all, or those before the last ones that do not fit."""
    number = len(widths)
    if not console.is_terminal:
        return number
    while number > 1 and sum(widths[:number]) + len(_GAP) * (number - 1) > console.width:
        number -= 1
    return number


def _coloured(
    line: str, state: str, heads: Sequence[str], row: Sequence[str], widths: Sequence[int]
) -> Text:
    text = Text(line)
    if "state" in heads:
        at = heads.index("state")
        begin = sum(widths[:at]) + len(_GAP) * at
        text.stylize(_STYLES.get(state, "yellow"), begin, begin + len(row[at]))
    return text


def _table_rows(runs: Sequence[ListedRun], columns: Sequence[Column]) -> list[list[str]]:
    overrides = shown_overrides(runs)
    short = short_names({key for one in overrides for key in one})
    found = []
    for run, differing in zip(runs, overrides, strict=True):
        own = " ".join(f"{short[k]}={v}" for k, v in differing.items())
        cells = [own if c.key is None else _cell(run, c.key, c.has_interval) for c in columns]
        found.append([one_line(cell) for cell in cells])
    return found


def _cell(run: ListedRun, key: Key, has_interval: bool) -> str:  # noqa: FBT001
    value = key.of(run)
    if value is ABSENT:
        return "-"
    if key.name == FOLDER:
        return shlex.quote(value)
    if key.name == "seconds":
        return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    if type(value) is not float:
        return text_of(value)
    text = f"{value:,.0f}" if value.is_integer() and abs(value) >= 1000 else f"{value:.2f}"
    if has_interval and key.name in run.intervals:
        low, high = run.intervals[key.name]
        return f"{text} [{low:.2f}, {high:.2f}]"
    return text
