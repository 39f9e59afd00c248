"""Several studies in one table: a row for each arm, a column for each study or data set."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.report.analysis import Analysis, ArmRow, analyse
from seq2seq_lab.report.arm_names import arm_names, made_names
from seq2seq_lab.report.records import Records, Run, read_records
from seq2seq_lab.report.statistics import holm
from seq2seq_lab.study.matrix import arm_label


@dataclass(frozen=True)
class Column:
    """A study, or the part of one that has one value of a factor; its first arm is its baseline.

    The p-values of `rows` are corrected over the whole table, those of `analysis` within the study.
    """

    name: str
    records: Records
    rows: tuple[ArmRow, ...]
    analysis: Analysis

    def row(self, arm: str) -> ArmRow | None:
        """Return the numbers of an arm; None if no run of it is done here."""
        return next((row for row in self.rows if row.arm == arm), None)


@dataclass(frozen=True)
class Several:
    """All columns with their arms in the order of their first appearance, and what people call them."""

    metric: str
    columns: tuple[Column, ...]
    arms: tuple[str, ...]
    names: dict[str, str]

    @property
    def comparisons(self) -> int:
        """How many comparisons Holm's correction is over: all of the table."""
        return sum(math.isfinite(row.p_holm) for column in self.columns for row in column.rows)


def read_several(places: Sequence[Path], metric: str | None, factor: str | None) -> Several:
    """Read studies into one table; `factor` makes a column of each of its values in each study.

    Raises `ConfigError` for a study that is given twice, for different metrics, and for a factor that a study lacks.
    """
    if len({place.resolve() for place in places}) < len(places):
        raise ConfigError(f"{places[-1]}: a study is given twice; name each once")
    found = [read_records(place, metric) for place in places]
    metrics = list(dict.fromkeys(records.metric for records in found))
    if len(metrics) > 1:
        named = ", ".join(f"{records.name} has {records.metric}" for records in found)
        raise ConfigError(f"the studies declare different metrics: {named}; give one by --metric")
    return in_columns(found, factor)


def in_columns(
    found: Sequence[Records], factor: str | None, analysed: Callable[[Records], Analysis] = analyse
) -> Several:
    """Return studies of one metric as one table; `factor` makes a column of each of its values in each study."""
    parts = [part for records in found for part in _parts(records, factor)]
    analyses = [analysed(part) for part in parts]
    rows = _corrected([one.table for one in analyses])
    columns = tuple(map(Column, _column_names(parts), parts, rows, analyses))
    arms = tuple(dict.fromkeys(arm for part in parts for arm in part.arms))
    return Several(found[0].metric, columns, arms, _names(parts, factor))


def _corrected(tables: list[list[ArmRow]]) -> list[tuple[ArmRow, ...]]:
    """Return the rows with Holm's correction over all of them."""
    flat = [row for rows in tables for row in rows]
    ps = iter(holm([math.nan if r.comparison is None else r.comparison.p for r in flat]))
    return [tuple(replace(row, p_holm=next(ps)) for row in rows) for rows in tables]


def _names(parts: Sequence[Records], factor: str | None) -> dict[str, str]:
    """Return what people call the arms; the first study that has an arm names it."""
    names: dict[str, str] = {}
    for part in parts:
        names = {**(made_names(part) if factor else arm_names(part)), **names}
    return names if len(set(names.values())) == len(names) else {arm: arm for arm in names}


def _parts(records: Records, factor: str | None) -> list[Records]:
    """Return a study as one part, or as many as a factor has values, with arms that do not name it."""
    if factor is None:
        return [records]
    if factor not in records.factors:
        known = ", ".join(records.factors) or "none"
        raise ConfigError(f"--by {factor}: no factor of {records.name}; its factors are {known}")
    return [_part(records, factor, value) for value in records.factors[factor]]


def _part(records: Records, factor: str, value: str) -> Records:
    arms: dict[str, list[Run]] = {}
    for run in records.runs:
        if run.factors[factor] == value:
            rest = _without(run.factors, factor)
            arms.setdefault(arm_label(rest), []).append(
                replace(run, arm=arm_label(rest), factors=rest)
            )
    unfinished = []
    for one in records.unfinished:
        if one.factors[factor] == value:
            rest = _without(one.factors, factor)
            arms.setdefault(arm_label(rest), [])
            unfinished.append(replace(one, arm=arm_label(rest), factors=rest))
    runs = {arm: tuple(found) for arm, found in arms.items()}
    total = sum(map(len, arms.values())) + len(unfinished)
    return replace(
        records, name=f"{records.name}, {value}", factors=_without(records.factors, factor),
        arms=runs, unfinished=tuple(unfinished), total=total, prediction=None,
    )  # fmt: skip


def _without(factors: dict[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in factors.items() if k != key}


def _column_names(parts: Sequence[Records]) -> list[str]:
    """Return the names of the studies; their folders where two have the same name."""
    names = [part.name for part in parts]
    if len(set(names)) == len(names):
        return names
    return [f"{part.name} ({part.place})" for part in parts]
