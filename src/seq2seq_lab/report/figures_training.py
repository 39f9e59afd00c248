"""Curves of training and of exposure bias: means of the seeds, with the smallest and the largest."""

import math
from collections.abc import Iterable, Sequence

from seq2seq_lab.errors import DataError
from seq2seq_lab.report.axis import axis_label, file_name, limits
from seq2seq_lab.report.chart import Axes, Bands, Figure, Point, Series
from seq2seq_lab.report.records import AGAIN, Records, Run
from seq2seq_lab.report.svg import ticks
from seq2seq_lab.report.tables import number


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
    series = [Series(arm, records.style(arm), points) for arm, points in curves.items()]
    last = max((p.x for one in series for p in one.points), default=1.0)
    whole = tuple((x, f"{x:g}") for x in ticks(1.0, last) if x == int(x))
    axes = Axes("epoch", axis_label(key), whole, limits(key))
    caption = "Line: mean of the seeds; band: smallest and largest seed."
    return _bands("Learning curves", caption, series, axes)


def _bands(title: str, caption: str, series: Sequence[Series], axes: Axes) -> Figure | None:
    drawn = tuple(one for one in series if one.points)
    return Bands(file_name(title), title, caption, drawn, axes) if drawn else None


def _by_epoch(run: Run, key: str) -> dict[float, float]:
    """Return epoch (from 1) -> value. The row that scores the best checkpoint at the end belongs to no epoch."""
    trained = {row["epoch"] for row in run.history if "epoch" in row and "train/loss" in row}
    trained |= {row["epoch"] for row in run.history if "epoch" in row and "train/loss_epoch" in row}
    return {
        row["epoch"] + 1: row[key]
        for row in run.history
        if key in row and row.get("epoch") in trained
    }


def exposure_by_ratio(records: Records) -> Figure | None:
    """Draw the loss against the teacher-forcing ratio at test time."""
    stem = f"{records.split}/loss_at_ratio_"
    series = []
    for arm, runs in records.arms.items():
        curves = [
            {float(k[len(stem) :]): v for k, v in run.result.items() if k.startswith(stem)}
            for run in runs
        ]
        series.append(Series(arm, records.style(arm), over_seeds(curves, arm)))
    axes = Axes("teacher-forcing ratio when measured", "loss (nats per token)")
    caption = "At 1 the model reads the data, at 0 its own output. Band: smallest and largest seed."
    return _bands("Exposure bias", caption, series, axes)


def exposure_by_position(records: Records) -> Figure | None:
    """Draw the free-running minus the teacher-forced loss by target position."""
    series = []
    for arm, runs in records.arms.items():
        curves = [_gap(run, f"exposure_bias/{records.split}.json") for run in runs]
        series.append(Series(arm, records.style(arm), over_seeds(curves, arm)))
    axes = Axes("target position", "extra loss when free running (nats)", zero_line=True)
    caption = "Loss at ratio 0 minus loss at ratio 1. Band: smallest and largest seed."
    return _bands("Exposure bias by position", caption, series, axes)


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
