"""The figures of a report: differences and scores by arm, by source length and against numbers.

Each is data (chart.py): svg.py draws it on the page, paper.py as files for a paper.
"""

import contextlib
import math
from collections.abc import Sequence
from typing import Any

from seq2seq_lab.errors import DataError
from seq2seq_lab.report.analysis import Analysis, ArmRow, LengthRow
from seq2seq_lab.report.axis import axis_label, file_name, limits
from seq2seq_lab.report.chart import Axes, Bars, Figure, Forest, Marks, Point, Row, Series
from seq2seq_lab.report.figures_cost import pareto_of
from seq2seq_lab.report.figures_searches import by_beam
from seq2seq_lab.report.figures_training import (
    exposure_by_position,
    exposure_by_ratio,
    learning_curves,
)
from seq2seq_lab.report.records import AGAIN, Records, Run
from seq2seq_lab.report.tables import digits_for, interval_text, number, signed
from seq2seq_lab.stored_text import read_yaml


def figures(records: Records, analysis: Analysis) -> list[Figure]:
    """Return every figure that the study has numbers for."""
    found = [
        forest(records, analysis), by_arm(records, analysis), by_length(records, analysis),
        gain_by_length(records, analysis), learning_curves(records), *by_beam(records, analysis),
        *against_numbers(records, analysis), exposure_by_ratio(records), exposure_by_position(records),
        *pareto_of(records, analysis),
    ]  # fmt: skip
    return [figure for figure in found if figure is not None]


def difference_rows(rows: Sequence[ArmRow], styles: Sequence[str], group: str = "") -> list[Row]:
    """Return the comparisons of a table as rows of a forest plot; `styles` are all arms in their order."""
    digits, found = digits_for(rows), []
    for row in rows:
        if (c := row.comparison) is not None:
            text = f"{signed(c.difference, digits)} {interval_text(c.low, c.high, digits)}"
            place = styles.index(row.arm)
            found.append(Row(row.arm, place, c.difference, c.low, c.high, c.smallest_effect, text, group))  # fmt: skip
    return found


FOREST = (
    "Bars: 95 % intervals. Grey: a true difference within it may exist unseen, since these seeds and sentences show it "
    "with less than 80 % power."
)


def forest(records: Records, analysis: Analysis) -> Figure | None:
    """Draw the difference of each arm to the baseline, one below the other."""
    rows = difference_rows(analysis.table, list(records.arms))
    if not rows:
        return None
    label = f"{axis_label(records.metric)} minus baseline"
    caption = f"Each arm minus {analysis.table[0].arm}. {FOREST}"
    return Forest("differences", "Differences to the baseline", caption, label, tuple(rows))


def by_arm(records: Records, analysis: Analysis) -> Figure | None:
    """Draw the score of each arm with its interval, in the order of the table."""
    series = []
    for place, row in enumerate(analysis.table, 1):
        i = row.interval
        title = f"{row.arm}: {number(i.mean)} {interval_text(i.low, i.high)}"
        point = Point(float(place), i.mean, i.low, i.high, title)
        series.append(Series(row.arm, records.style(row.arm), (point,)))
    places = tuple((one.points[0].x, f"{one.points[0].x:g}") for one in series)
    metric = records.metric
    axes = Axes("arm, in the order of the table", axis_label(metric), places, limits(metric))
    caption = "Bars: the 95 % intervals of the table."
    return Marks("score_by_arm", "Score by arm", caption, tuple(series), axes) if series else None


LENGTH = "source length (characters)"


def _quarters(rows: Sequence[LengthRow]) -> tuple[tuple[float, str], ...]:
    return tuple(sorted({(float(r.quarter), f"{r.shortest}–{r.longest}") for r in rows}))


def by_length(records: Records, analysis: Analysis) -> Figure | None:
    """Draw the score by source length, all arms on one axis."""
    rows = analysis.by_length
    if not rows:
        return None
    series = []
    for arm in dict.fromkeys(row.arm for row in rows):
        points = [
            Point(float(row.quarter), i.mean, i.low, i.high,
                  f"{arm}, {row.shortest}–{row.longest} characters: {number(i.mean)} {interval_text(i.low, i.high)}")
            for row in rows if row.arm == arm for i in (row.interval,)
        ]  # fmt: skip
        series.append(Series(arm, records.style(arm), tuple(points)))
    metric = rows[0].metric
    axes = Axes(LENGTH, axis_label(metric), _quarters(rows), limits(metric))
    caption = (
        "Quarters of the test sentences by length. Bars: 95 % intervals over seeds and sentences."
    )
    title = "Score by source length"
    return Bars("score_by_source_length", title, caption, tuple(series), axes)


def gain_by_length(records: Records, analysis: Analysis) -> Figure | None:
    """Draw each arm minus the baseline by source length."""
    rows = [row for row in analysis.by_length if row.comparison is not None]
    if not rows:
        return None
    series = []
    for arm in dict.fromkeys(row.arm for row in rows):
        points = [
            Point(float(row.quarter), c.difference, c.low, c.high,
                  f"{arm}: {number(c.difference)} {interval_text(c.low, c.high)}")
            for row in rows if row.arm == arm and (c := row.comparison) is not None
        ]  # fmt: skip
        series.append(Series(arm, records.style(arm), tuple(points)))
    baseline = analysis.by_length[0].arm
    label = f"{axis_label(rows[0].metric)} minus baseline"
    axes = Axes(LENGTH, label, _quarters(rows), zero_line=True)
    caption = f"Difference to {baseline}. Bars: 95 % intervals over seeds and sentences; p-values are in the table."
    title = "Gain by source length"
    return Bars("gain_by_source_length", title, caption, tuple(series), axes)


def against_numbers(records: Records, analysis: Analysis) -> list[Bars]:
    """Draw the metric against each factor whose values are numbers, as a teacher-forcing ratio's are.

    An option that sets one number counts as it, as `training/scheduled_sampling/schedule=never` does.
    """
    drawn = []
    for key in records.factors:
        lines: dict[str, list[Point]] = {}
        for row in analysis.table:
            run = records.arms[row.arm][0]
            factors, value = run.factors, _number_of(run, key)
            if value is None:
                continue
            rest = ", ".join(f"{k}={v}" for k, v in factors.items() if k != key)
            i = row.interval
            title = f"{row.arm}: {number(i.mean)} {interval_text(i.low, i.high)}"
            lines.setdefault(rest, []).append(Point(value, i.mean, i.low, i.high, title))
        if sum(map(len, lines.values())) < 2:
            continue
        series = [
            Series(rest or axis_label(records.metric), n, tuple(sorted(points, key=lambda p: p.x)))
            for n, (rest, points) in enumerate(lines.items())
        ]
        axes = Axes(key, axis_label(records.metric), y_limits=limits(records.metric))
        caption = "Bars: 95 % intervals over seeds. Values that are no numbers are left out."
        title = f"Score against {key}"
        drawn.append(Bars(file_name(title), title, caption, tuple(series), axes))
    return drawn


def _number_of(run: Run, key: str) -> float | None:
    """Return the number that a factor sets in a run, if it is one."""
    with contextlib.suppress(ValueError):
        found = float(run.factors.get(key, ""))
        return found if math.isfinite(found) else None
    config = run.folder / "config.yaml"
    if "/" not in key or not config.is_file():
        return None
    node: Any = read_yaml(config, DataError, AGAIN)
    for name in key.split("/"):
        node = node.get(name) if isinstance(node, dict) else None
    settings = [v for k, v in node.items() if k != "_target_"] if isinstance(node, dict) else []
    is_one = len(settings) == 1 and type(settings[0]) in (int, float)
    return float(settings[0]) if is_one else None
