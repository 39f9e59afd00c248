"""The figures of a report as series of points; svg.py draws them."""

import contextlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from seq2seq_lab.errors import DataError
from seq2seq_lab.metrics.table import lower_is_better
from seq2seq_lab.report.analysis import Analysis, LengthRow
from seq2seq_lab.report.records import AGAIN, Records, Run
from seq2seq_lab.report.svg import Axes, Point, Series, line_chart, scatter, ticks
from seq2seq_lab.report.tables import interval_text, number
from seq2seq_lab.stored_text import read_yaml


@dataclass(frozen=True)
class Figure:
    """A drawn chart with its title, its legend and one sentence on how to read it."""

    title: str
    caption: str
    svg: str
    legend: tuple[Series, ...]


def figures(records: Records, analysis: Analysis) -> list[Figure]:
    """Return every figure that the study has numbers for."""
    drawn = [
        by_arm(records, analysis), by_length(records, analysis), gain_by_length(records, analysis),
        learning_curves(records),
        *against_numbers(records, analysis), exposure_by_ratio(records), exposure_by_position(records),
        *(pareto(records, analysis, *cost) for cost in COSTS),
    ]  # fmt: skip
    return [figure for figure in drawn if figure is not None]


def _style(records: Records, arm: str) -> int:
    return list(records.arms).index(arm)


def _limits(metric: str) -> tuple[float, float]:
    """Return what a score can be: 0-100, or anything from 0 on for losses."""
    return (0.0, math.inf) if lower_is_better(metric) else (0.0, 100.0)


def _figure(
    title: str, caption: str, series: Sequence[Series], axes: Axes, *, bars: bool = False
) -> Figure | None:
    drawn = [one for one in series if one.points]
    if not drawn:
        return None
    return Figure(title, caption, line_chart(drawn, axes, bars=bars), tuple(drawn))


def over_seeds(curves: Iterable[dict[float, float]], label: str) -> tuple[Point, ...]:
    """Return the mean of curves (x -> y) with the smallest and largest seed."""
    found: dict[float, list[float]] = {}
    for curve in curves:
        for x, y in curve.items():
            if math.isfinite(y):
                found.setdefault(x, []).append(y)
    points = []
    for x, ys in sorted(found.items()):
        mean = sum(ys) / len(ys)
        title = f"{label}: {x:g}, {number(mean, 3)} ({len(ys)} seeds)"
        points.append(Point(x, mean, min(ys), max(ys), title))
    return tuple(points)


def curves_by_arm(records: Records) -> tuple[str, dict[str, tuple[Point, ...]]]:
    """Return the name of the validation metric, and per arm its mean over seeds by epoch."""
    key = f"val/{records.metric.partition('/')[2]}"
    arms = records.arms.items()
    return key, {arm: over_seeds((_by_epoch(run, key) for run in runs), arm) for arm, runs in arms}


def learning_curves(records: Records) -> Figure | None:
    """Draw the validation metric by epoch."""
    key, curves = curves_by_arm(records)
    series = [Series(arm, _style(records, arm), points) for arm, points in curves.items()]
    last = max((p.x for one in series for p in one.points), default=1.0)
    whole = tuple((x, f"{x:g}") for x in ticks(1.0, last) if x == int(x))
    axes = Axes("epoch", key, whole, _limits(key))
    return _figure(
        "Learning curves", "Line: mean of the seeds; band: smallest and largest seed.", series, axes
    )


def _by_epoch(run: Run, key: str) -> dict[float, float]:
    """Return epoch (from 1) -> value. The row that scores the best checkpoint at the end belongs to no epoch."""
    trained = {row["epoch"] for row in run.history if "epoch" in row and "train/loss" in row}
    trained |= {row["epoch"] for row in run.history if "epoch" in row and "train/loss_epoch" in row}
    return {
        row["epoch"] + 1: row[key]
        for row in run.history
        if key in row and row.get("epoch") in trained
    }


def by_arm(records: Records, analysis: Analysis) -> Figure | None:
    """Draw the score of each arm with its interval, in the order of the table."""
    series = []
    for place, row in enumerate(analysis.table, 1):
        i = row.interval
        title = f"{row.arm}: {number(i.mean)} {interval_text(i.low, i.high)}"
        point = Point(float(place), i.mean, i.low, i.high, title)
        series.append(Series(row.arm, _style(records, row.arm), (point,)))
    places = tuple((one.points[0].x, f"{one.points[0].x:g}") for one in series)
    axes = Axes("arm, in the order of the table", records.metric, places, _limits(records.metric))
    caption = "Bars: the 95 % intervals of the table."
    drawn = tuple(series)
    return Figure("Score by arm", caption, scatter(drawn, axes, ()), drawn) if drawn else None


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
        series.append(Series(arm, _style(records, arm), tuple(points)))
    metric = rows[0].metric
    axes = Axes("source length in characters", metric, _quarters(rows), _limits(metric))
    caption = (
        "Quarters of the test sentences by length. Bars: 95 % intervals over seeds and sentences."
    )
    return _figure("Score by source length", caption, series, axes, bars=True)


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
        series.append(Series(arm, _style(records, arm), tuple(points)))
    baseline = analysis.by_length[0].arm
    axes = Axes(
        "source length in characters",
        f"{rows[0].metric} minus baseline",
        _quarters(rows),
        zero_line=True,
    )
    caption = f"Difference to {baseline}. Bars: 95 % intervals over seeds and sentences; p-values are in the table."
    return _figure("Gain by source length", caption, series, axes, bars=True)


def against_numbers(records: Records, analysis: Analysis) -> list[Figure]:
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
            Series(rest or records.metric, n, tuple(sorted(points, key=lambda p: p.x)))
            for n, (rest, points) in enumerate(lines.items())
        ]
        axes = Axes(key, records.metric, y_limits=_limits(records.metric))
        caption = "Bars: 95 % intervals over seeds. Values that are no numbers are left out."
        figure = _figure(f"Score against {key}", caption, series, axes, bars=True)
        drawn += [figure] if figure else []
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


def exposure_by_ratio(records: Records) -> Figure | None:
    """Draw the loss against the teacher-forcing ratio at test time."""
    stem = f"{records.split}/loss_at_ratio_"
    series = []
    for arm, runs in records.arms.items():
        curves = [
            {float(k[len(stem) :]): v for k, v in run.result.items() if k.startswith(stem)}
            for run in runs
        ]
        series.append(Series(arm, _style(records, arm), over_seeds(curves, arm)))
    axes = Axes("teacher-forcing ratio when measured", "loss (nats per token)")
    caption = "At 1 the model reads the data, at 0 its own output. Band: smallest and largest seed."
    return _figure("Exposure bias", caption, series, axes)


def exposure_by_position(records: Records) -> Figure | None:
    """Draw the free-running minus the teacher-forced loss by target position."""
    series = []
    for arm, runs in records.arms.items():
        curves = [_gap(run, f"exposure_bias/{records.split}.json") for run in runs]
        series.append(Series(arm, _style(records, arm), over_seeds(curves, arm)))
    axes = Axes("target position", "extra loss when free running (nats)", zero_line=True)
    caption = "Loss at ratio 0 minus loss at ratio 1. Band: smallest and largest seed."
    return _figure("Exposure bias by position", caption, series, axes)


def _gap(run: Run, name: str) -> dict[float, float]:
    """Return position -> gap, as far as a fifth of the pairs (20 at most) reach."""
    content = run.json(name)
    try:
        if not {"0", "1"} <= set(content.get("loss", {})):
            return {}
        counts, loss = content["pairs_at_position"], content["loss"]
        fewest = max(1, min(20, counts[0] // 5))
        rows = enumerate(zip(counts, loss["0"], loss["1"], strict=True), 1)
        return {float(i): free - forced for i, (count, free, forced) in rows if count >= fewest}
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(f"{run.folder / name}: not the losses by position; {AGAIN}") from error


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


def pareto(records: Records, analysis: Analysis, label: str, cost: Cost) -> Figure | None:
    """Draw the score against a cost; the line joins the arms that no cheaper arm beats."""
    series = []
    for row in analysis.table:
        costs = [c for run in records.arms[row.arm] if math.isfinite(c := cost(run))]
        if costs:
            mean, i = sum(costs) / len(costs), row.interval
            title = f"{row.arm}: {number(i.mean)} at {mean:,.0f} {label}"
            low, high = i.mean - i.deviation, i.mean + i.deviation
            point = Point(mean, i.mean, low, high, title)
            series.append(Series(row.arm, _style(records, row.arm), (point,)))
    if len({one.points[0].x for one in series}) < 2:
        return None
    sign = -1.0 if lower_is_better(records.metric) else 1.0
    best, frontier = -math.inf, []
    for point in sorted((one.points[0] for one in series), key=lambda p: (p.x, -sign * p.y)):
        if sign * point.y > best:
            best = sign * point.y
            frontier.append(point)
    axes = Axes(label, records.metric, y_limits=_limits(records.metric))
    caption = "Mean of the seeds ± one standard deviation. Line: no cheaper arm is better."
    return Figure(f"Score against {label}", caption, scatter(series, axes, frontier), tuple(series))
