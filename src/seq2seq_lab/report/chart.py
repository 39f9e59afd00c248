"""A figure as data, before anything is drawn: svg.py draws it on the page, paper.py as files for a paper."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

NUM_STYLES = 8
"""Colours and marks of series; a chart with more series starts again, with broken lines."""


@dataclass(frozen=True)
class Point:
    """A place in a chart; `low` and `high` bound its interval (NaN: none), `title` is shown on hover."""

    x: float
    y: float
    low: float = math.nan
    high: float = math.nan
    title: str = ""


@dataclass(frozen=True)
class Series:
    """The points of one arm. `style` is its number in the study, so that an arm has one style in all charts."""

    label: str
    style: int
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Axes:
    """What the axes say. `x_ticks` replaces the numbers on the x axis; `y_limits` is where intervals are cut."""

    x_label: str
    y_label: str
    x_ticks: tuple[tuple[float, str], ...] = ()
    y_limits: tuple[float, float] = (-math.inf, math.inf)
    zero_line: bool = False


@dataclass(frozen=True)
class Figure:
    """What every figure has: the name of its files, a title, and one sentence on how to read it."""

    name: str
    title: str
    caption: str

    @property
    def legend(self) -> tuple[Series, ...]:
        """The series that a legend must name."""
        return ()


@dataclass(frozen=True)
class Chart(Figure):
    """Series on two axes."""

    most_marks: ClassVar[int] = 30
    """A line with more points than this has no marks."""
    series: tuple[Series, ...]
    axes: Axes

    @property
    def legend(self) -> tuple[Series, ...]:
        """All series."""
        return self.series


class Bands(Chart):
    """Lines with intervals as bands, for many places on the x axis."""


class Bars(Chart):
    """Lines with intervals as bars at the points, which lie a little apart, for few places on the x axis."""


@dataclass(frozen=True)
class Marks(Chart):
    """One mark for each series with its interval, and a line in steps along the `frontier`."""

    frontier: tuple[Point, ...] = ()

    def corners(self) -> list[tuple[float, float]]:
        """Return the places that the line goes through; none for less than two points."""
        points = self.frontier
        found = [(points[0].x, points[0].y)] if len(points) > 1 else []
        for before, point in pairwise(points):
            found += [(point.x, before.y), (point.x, point.y)]
        return found


@dataclass(frozen=True)
class Row:
    """One difference of a forest plot, with `text` to be read beside it; NaN stands for what is not known.

    Rows of a `group` stand below its name.
    """

    label: str
    style: int
    difference: float
    low: float
    high: float
    smallest_effect: float
    text: str = ""
    group: str = ""

    def short(self, label: str, most: int) -> str:
        """Return a label that leaves room for the text on a line of `most` characters."""
        room = most - len(self.text)
        return label if len(label) <= room else f"{label[: room - 1]}…"


@dataclass(frozen=True)
class Forest(Figure):
    """Differences with their intervals, one above the other, and a line at zero."""

    x_label: str
    rows: tuple[Row, ...]

    def lines(self) -> list[str | Row]:
        """Return what stands on each line from the top: a group's name before its rows, and the rows."""
        found: list[str | Row] = []
        group = ""
        for row in self.rows:
            if row.group != group:
                found.append(row.group)
                group = row.group
            found.append(row)
        return found

    def limits(self) -> tuple[float, float]:
        """Return the ends of the x axis; an interval that is far wider than the differences is cut there."""
        middle = [0.0, *(row.difference for row in self.rows)]
        room = 2.0 * ((max(middle) - min(middle)) or 1.0)
        floor, ceiling = min(middle) - room, max(middle) + room
        ends = [
            e
            for row in self.rows
            for e in (row.low, row.high, -row.smallest_effect, row.smallest_effect)
        ]
        ends = [min(max(e, floor), ceiling) for e in ends if math.isfinite(e)] + middle
        pad = 0.04 * ((max(ends) - min(ends)) or 1.0)
        return min(ends) - pad, max(ends) + pad


@dataclass(frozen=True)
class View:
    """The part of the plane that is drawn, and within it where intervals are cut."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    lowest: float
    highest: float

    def cut(self, point: Point) -> tuple[float, float]:
        """Return the ends of an interval as drawn."""
        return max(point.low, self.lowest), min(point.high, self.highest)


def view(series: Sequence[Series], axes: Axes) -> View:
    """Return the part of the plane that shows all points; an interval far wider than the data is cut."""
    points = [p for one in series for p in one.points]
    xs = [p.x for p in points] + [x for x, _ in axes.x_ticks]
    pad = 0.04 * ((max(xs) - min(xs)) or abs(xs[0]) or 1.0)
    x_low, x_high = min(xs) - pad, max(xs) + pad
    ys = [p.y for p in points]
    room = (max(ys) - min(ys)) or abs(ys[0]) or 1.0
    floor = max(min(ys) - room, axes.y_limits[0])
    ceiling = min(max(ys) + room, axes.y_limits[1])
    ends = [e for p in points for e in (p.low, p.high) if math.isfinite(e)]
    ys += [min(max(e, floor), ceiling) for e in ends] + ([0.0] if axes.zero_line else [])
    pad = 0.05 * ((max(ys) - min(ys)) or abs(ys[0]) or 1.0)
    y_low, y_high = min(ys) - pad, max(ys) + pad
    lowest, highest = max(y_low, axes.y_limits[0]), min(y_high, axes.y_limits[1])
    return View(x_low, x_high, y_low, y_high, lowest, highest)


def data(figure: Figure) -> list[list[object]]:
    """Return the numbers of a figure as rows under a head; a place on the x axis that has a name is named."""
    if isinstance(figure, Forest):
        head: list[object] = ["group", "arm", "difference", "low", "high", "smallest_effect"]
        return [
            head,
            *(
                [r.group, r.label, r.difference, r.low, r.high, r.smallest_effect]
                for r in figure.rows
            ),
        ]
    assert isinstance(figure, Chart)
    names = dict(figure.axes.x_ticks)
    rows: list[list[object]] = [["series", "x", "x_name", "y", "low", "high"]]
    for one in figure.series:
        rows += [[one.label, p.x, names.get(p.x, ""), p.y, p.low, p.high] for p in one.points]
    return rows
