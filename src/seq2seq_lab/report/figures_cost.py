"""Scores against what they cost: parameters, time, tokens."""

import math
from collections.abc import Callable

from seq2seq_lab.metrics.table import lower_is_better
from seq2seq_lab.report.analysis import Analysis
from seq2seq_lab.report.axis import axis_label, file_name, limits
from seq2seq_lab.report.chart import Axes, Figure, Marks, Point, Series
from seq2seq_lab.report.records import Records, Run
from seq2seq_lab.report.tables import number


def _tokens_seen(run: Run) -> float:
    try:
        tokens = run.data_report["splits"]["train"]["target"]["tokens"]
        return float(tokens) * run.result["train/epochs"]
    except (KeyError, TypeError, ValueError, OverflowError):
        return math.nan


Cost = Callable[[Run], float]
COSTS: tuple[tuple[str, Cost], ...] = (
    ("parameters", lambda run: run.result.get("model/parameters", math.nan)),
    ("seconds per run", lambda run: run.seconds),
    ("target tokens trained on", _tokens_seen),
)


def pareto_of(records: Records, analysis: Analysis) -> list[Figure]:
    """Return a figure for each cost that differs between arms."""
    found = [_pareto(records, analysis, label, cost) for label, cost in COSTS]
    return [figure for figure in found if figure is not None]


def _pareto(records: Records, analysis: Analysis, label: str, cost: Cost) -> Figure | None:
    """Draw the score against a cost; the line joins the arms that no cheaper arm beats."""
    series = []
    for row in analysis.table:
        costs = [c for run in records.arms[row.arm] if math.isfinite(c := cost(run))]
        if costs:
            mean, i = sum(costs) / len(costs), row.interval
            title = f"{row.arm}: {number(i.mean)} at {mean:,.0f} {label}"
            low, high = i.mean - i.deviation, i.mean + i.deviation
            point = Point(mean, i.mean, low, high, title)
            series.append(Series(row.arm, records.style(row.arm), (point,)))
    if len({one.points[0].x for one in series}) < 2:
        return None
    sign = -1.0 if lower_is_better(records.metric) else 1.0
    best, frontier = -math.inf, []
    for point in sorted((one.points[0] for one in series), key=lambda p: (p.x, -sign * p.y)):
        if sign * point.y > best:
            best = sign * point.y
            frontier.append(point)
    axes = Axes(label, axis_label(records.metric), y_limits=limits(records.metric))
    caption = "Mean of the seeds ± one standard deviation. Line: no cheaper arm is better."
    title = f"Score against {label}"
    return Marks(file_name(title), title, caption, tuple(series), axes, tuple(frontier))
