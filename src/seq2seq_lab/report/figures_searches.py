"""Score and length of the output against the width of the beam, for studies that are read with their searches."""

from typing import Any

import numpy as np

from seq2seq_lab.config.keys import leaves
from seq2seq_lab.metrics.length_ratio import LENGTH_RATIO
from seq2seq_lab.report.analysis import Analysis
from seq2seq_lab.report.axis import axis_label, file_name, limits
from seq2seq_lab.report.chart import Axes, Bars, Point, Series
from seq2seq_lab.report.records import Records
from seq2seq_lab.report.search_arms import FACTOR
from seq2seq_lab.report.statistics import Interval, Scores, over_seeds
from seq2seq_lab.report.tables import interval_text, number

_BEAM = "beam_size"
Line = dict[float, str]
"""The arm of each width."""


def by_beam(records: Records, analysis: Analysis) -> list[Bars]:
    """Draw score and length ratio by the width of the beam, a line for the arms that differ in nothing else."""
    lines = _lines(records)
    if not lines:
        return []
    scores = {row.arm: row.interval for row in analysis.table}
    ratio = f"{records.split}/{LENGTH_RATIO}"
    lengths = {
        arm: over_seeds(Scores(tuple(r.seed for r in runs), np.array([r.result[ratio] for r in runs])))
        for arm, runs in records.arms.items() if runs and all(ratio in r.result for r in runs)
    }  # fmt: skip
    drawn = [
        _figure(f"{what} by beam size", metric, lines, found)
        for what, metric, found in (("Score", records.metric, scores), ("Length", ratio, lengths))
    ]
    return [figure for figure in drawn if figure.series]


def _figure(title: str, metric: str, lines: dict[str, Line], found: dict[str, Interval]) -> Bars:
    widths = sorted({width for line in lines.values() for width in line})
    places = {width: float(place) for place, width in enumerate(widths, 1)}
    series = []
    for style, (label, line) in enumerate(lines.items()):
        points = [
            Point(places[width], i.mean, i.low, i.high,
                  f"{arm}: {number(i.mean, 3)} {interval_text(i.low, i.high, 3)}")
            for width, arm in sorted(line.items()) if arm in found for i in (found[arm],)
        ]  # fmt: skip
        series += [Series(label, style, tuple(points))] if points else []
    ticks = tuple((place, f"{width:g}") for width, place in places.items())
    axes = Axes("beam size", axis_label(metric), ticks, limits(metric))
    caption = "Bars: 95 % intervals over seeds. All points of a line are the same models."
    return Bars(file_name(title), title, caption, tuple(series), axes)


def _lines(records: Records) -> dict[str, Line]:
    """Return the arms by beam size, for each setting of all else that has two sizes at least."""
    found: dict[tuple[tuple[str, str], ...], Line] = {}
    for arm, runs in records.arms.items():
        width = runs[0].decoding.get(_BEAM) if runs else None
        if isinstance(width, int):
            found.setdefault(_rest(runs[0].factors, runs[0].decoding), {})[float(width)] = arm
    lines = {rest: line for rest, line in found.items() if len(line) > 1}
    shared = set.intersection(*(set(rest) for rest in lines)) if lines else set()
    return {
        ", ".join(f"{k}={v}" for k, v in rest if (k, v) not in shared) or "beam": line
        for rest, line in lines.items()
    }


def _rest(factors: dict[str, str], decoding: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return what sets an arm apart beside the width: the factors of its study, and the settings of its search."""
    settings = {k: str(v).rpartition(".")[2] if k.endswith("_target_") else str(v)
                for k, v in leaves(decoding).items() if k != _BEAM}  # fmt: skip
    named = {k.removesuffix("._target_"): v for k, v in settings.items()}
    return tuple({**{k: v for k, v in factors.items() if k != FACTOR}, **named}.items())
