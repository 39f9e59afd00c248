"""Small charts as inline SVG: no script, no network, colours from the page's style sheet (light and dark)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 14, 46
NUM_STYLES = 8
"""Colours and marks in the style sheet; a chart with more series starts again, with broken lines."""
_MARKS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", "M-3.6-3.6h7.2v7.2h-7.2z", "M0-4.8L4.6 3.4h-9.2z", "M0-5L5 0L0 5L-5 0z",
    "M0 4.8L4.6-3.4h-9.2z", "M-4.4-1.5h2.9v-2.9h3v2.9h2.9v3h-2.9v2.9h-3v-2.9h-2.9z",
    "M-5-2h10v4h-10z", "M-2-5h4v10h-4z",
)  # fmt: skip


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


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return round numbers that lie within [low, high]."""
    span = high - low
    if not span > 0.0:
        return [low]
    step = 10.0 ** math.floor(math.log10(span / wanted))
    step *= next((m for m in (1.0, 2.0, 5.0) if m * step * wanted >= span), 10.0)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def tick_text(value: float) -> str:
    """Return a short text for a number on an axis: 1.2k, 3M, 0.05."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.6g}{unit}".replace("-", "−")
    return f"{value:.6g}".replace("-", "−") if abs(value) > 1e-12 else "0"


def mark(style: int) -> str:
    """Return the path of a series' mark, centred at the origin."""
    return _MARKS[style % NUM_STYLES]


def css_class(style: int) -> str:
    """Return the classes that colour a series."""
    return f"s{style % NUM_STYLES}" + (" again" if style >= NUM_STYLES else "")


class _Frame:
    """Maps data to the drawing area."""

    def __init__(self, series: Sequence[Series], axes: Axes):
        points = [p for one in series for p in one.points]
        xs = [p.x for p in points] + [x for x, _ in axes.x_ticks]
        pad = 0.04 * ((max(xs) - min(xs)) or abs(xs[0]) or 1.0)
        self.x_low, self.x_high = min(xs) - pad, max(xs) + pad
        ys = [p.y for p in points]
        room = (
            (max(ys) - min(ys)) or abs(ys[0]) or 1.0
        )  # an interval far wider than the data is cut
        floor = max(min(ys) - room, axes.y_limits[0])
        ceiling = min(max(ys) + room, axes.y_limits[1])
        ends = [e for p in points for e in (p.low, p.high) if math.isfinite(e)]
        ys += [min(max(e, floor), ceiling) for e in ends] + ([0.0] if axes.zero_line else [])
        pad = 0.05 * ((max(ys) - min(ys)) or abs(ys[0]) or 1.0)
        self.y_low, self.y_high = min(ys) - pad, max(ys) + pad
        self.lowest = max(self.y_low, axes.y_limits[0])
        self.highest = min(self.y_high, axes.y_limits[1])

    def x(self, value: float) -> float:
        share = (value - self.x_low) / (self.x_high - self.x_low)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 2)

    def y(self, value: float) -> float:
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 2)

    def grid(self, axes: Axes) -> list[str]:
        """Return grid lines, tick texts and labels."""
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        parts = []
        for value in ticks(self.y_low, self.y_high):
            y = self.y(value)
            zero = " zero" if axes.zero_line and abs(value) < 1e-12 else ""
            parts.append(f'<path class="grid{zero}" d="M{LEFT} {y}H{right}"/>')
            parts.append(
                f'<text class="tick" x="{LEFT - 7}" y="{y + 4}" text-anchor="end">{tick_text(value)}</text>'
            )
        x_ticks = axes.x_ticks or [(v, tick_text(v)) for v in ticks(self.x_low, self.x_high, 6)]
        for value, text in x_ticks:
            parts.append(
                f'<text class="tick" x="{self.x(value)}" y="{bottom + 17}" text-anchor="middle">{escape(text)}</text>'
            )
        middle = (LEFT + right) / 2
        parts.append(f'<path class="axis" d="M{LEFT} {bottom}H{right}"/>')
        parts.append(
            f'<text class="label" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(axes.x_label)}</text>'
        )
        rotation = f'transform="translate(13 {(TOP + bottom) / 2}) rotate(-90)"'
        parts.append(
            f'<text class="label" {rotation} text-anchor="middle">{escape(axes.y_label)}</text>'
        )
        return parts


def _svg(parts: Sequence[str], axes: Axes) -> str:
    name = escape(f"{axes.y_label} against {axes.x_label}", quote=True)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}">{"".join(parts)}</svg>'
    )


def _path(frame: _Frame, points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{frame.x(x)} {frame.y(y)}" for x, y in points)


def _band(frame: _Frame, points: Sequence[Point]) -> str:
    known = [p for p in points if math.isfinite(p.low) and math.isfinite(p.high)]
    if len(known) < 2:
        return ""
    upper = [(p.x, min(p.high, frame.highest)) for p in known]
    lower = [(p.x, max(p.low, frame.lowest)) for p in reversed(known)]
    return f'<path class="band" d="{_path(frame, upper + lower)}Z"/>'


def _bar(frame: _Frame, point: Point, shift: float) -> str:
    if not (math.isfinite(point.low) and math.isfinite(point.high)):
        return ""
    x = round(frame.x(point.x) + shift, 2)
    low, high = max(point.low, frame.lowest), min(point.high, frame.highest)
    caps = [frame.y(end) for end in (point.low, point.high) if end in (low, high)]  # none where cut
    drawn = "".join(f"M{x - 3} {cap}h6" for cap in caps)
    return f'<path class="bar" d="M{x} {frame.y(low)}V{frame.y(high)}{drawn}"/>'


def _marked(frame: _Frame, one: Series, point: Point, shift: float) -> str:
    title = f"<title>{escape(point.title)}</title>" if point.title else ""
    place = f"translate({round(frame.x(point.x) + shift, 2)} {frame.y(point.y)})"
    return f'<path class="mark" d="{mark(one.style)}" transform="{place}">{title}</path>'


def line_chart(series: Sequence[Series], axes: Axes, *, bars: bool = False) -> str:
    """Draw lines; intervals as bars at the points (moved a little apart), or else as bands."""
    frame = _Frame(series, axes)
    parts = frame.grid(axes)
    for i, one in enumerate(series):
        shift = 7.0 * (i - (len(series) - 1) / 2) * min(1.0, 8 / len(series)) if bars else 0.0
        drawn = [_bar(frame, p, shift) for p in one.points] if bars else [_band(frame, one.points)]
        line = _path(frame, [(p.x, p.y) for p in one.points])
        drawn.append(f'<path class="line" d="{line}" transform="translate({round(shift, 2)} 0)"/>')
        if bars or len(one.points) <= 30:
            drawn += [_marked(frame, one, p, shift) for p in one.points]
        parts.append(f'<g class="{css_class(one.style)}">{"".join(drawn)}</g>')
    return _svg(parts, axes)


def scatter(series: Sequence[Series], axes: Axes, frontier: Sequence[Point]) -> str:
    """Draw one mark per series with its interval, and a line along the frontier."""
    frame = _Frame(series, axes)
    parts = frame.grid(axes)
    if len(frontier) > 1:
        corners = [(frontier[0].x, frontier[0].y)]
        for before, point in pairwise(frontier):
            corners += [(point.x, before.y), (point.x, point.y)]
        parts.append(f'<path class="frontier" d="{_path(frame, corners)}"/>')
    for one in series:
        drawn = [_bar(frame, p, 0.0) + _marked(frame, one, p, 0.0) for p in one.points]
        parts.append(f'<g class="{css_class(one.style)}">{"".join(drawn)}</g>')
    return _svg(parts, axes)
