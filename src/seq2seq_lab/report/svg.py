"""Small charts as inline SVG: no script, no network, colours from the page's style sheet (light and dark)."""

import math
from collections.abc import Callable, Sequence
from html import escape

from seq2seq_lab.report.chart import (
    NUM_STYLES,
    Axes,
    Bands,
    Bars,
    Chart,
    Figure,
    Forest,
    Marks,
    Point,
    Row,
    Series,
    View,
    view,
)

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 14, 46
_MARKS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", "M-3.6-3.6h7.2v7.2h-7.2z", "M0-4.8L4.6 3.4h-9.2z", "M0-5L5 0L0 5L-5 0z",
    "M0 4.8L4.6-3.4h-9.2z", "M-4.4-1.5h2.9v-2.9h3v2.9h2.9v3h-2.9v2.9h-3v-2.9h-2.9z",
    "M-5-2h10v4h-10z", "M-2-5h4v10h-4z",
)  # fmt: skip


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

    def __init__(self, shown: View):
        self.view = shown

    def x(self, value: float) -> float:
        share = (value - self.view.x_low) / (self.view.x_high - self.view.x_low)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 2)

    def y(self, value: float) -> float:
        share = (value - self.view.y_low) / (self.view.y_high - self.view.y_low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 2)

    def grid(self, axes: Axes) -> list[str]:
        """Return grid lines, tick texts and labels."""
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        parts = []
        for value in ticks(self.view.y_low, self.view.y_high):
            y = self.y(value)
            zero = " zero" if axes.zero_line and abs(value) < 1e-12 else ""
            parts.append(f'<path class="grid{zero}" d="M{LEFT} {y}H{right}"/>')
            parts.append(
                f'<text class="tick" x="{LEFT - 7}" y="{y + 4}" text-anchor="end">{tick_text(value)}</text>'
            )
        x_ticks = axes.x_ticks or [
            (v, tick_text(v)) for v in ticks(self.view.x_low, self.view.x_high, 6)
        ]
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


def _svg(parts: Sequence[str], name: str, height: int = HEIGHT) -> str:
    label = escape(name, quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _path(frame: _Frame, points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{frame.x(x)} {frame.y(y)}" for x, y in points)


def _band(frame: _Frame, points: Sequence[Point]) -> str:
    known = [p for p in points if math.isfinite(p.low) and math.isfinite(p.high)]
    if len(known) < 2:
        return ""
    upper = [(p.x, frame.view.cut(p)[1]) for p in known]
    lower = [(p.x, frame.view.cut(p)[0]) for p in reversed(known)]
    return f'<path class="band" d="{_path(frame, upper + lower)}Z"/>'


def _bar(frame: _Frame, point: Point, shift: float) -> str:
    if not (math.isfinite(point.low) and math.isfinite(point.high)):
        return ""
    x = round(frame.x(point.x) + shift, 2)
    low, high = frame.view.cut(point)
    caps = [frame.y(end) for end in (point.low, point.high) if end in (low, high)]  # none where cut
    drawn = "".join(f"M{x - 3} {cap}h6" for cap in caps)
    return f'<path class="bar" d="M{x} {frame.y(low)}V{frame.y(high)}{drawn}"/>'


def _marked(frame: _Frame, one: Series, point: Point, shift: float) -> str:
    title = f"<title>{escape(point.title)}</title>" if point.title else ""
    place = f"translate({round(frame.x(point.x) + shift, 2)} {frame.y(point.y)})"
    return f'<path class="mark" d="{mark(one.style)}" transform="{place}">{title}</path>'


def draw(figure: Figure) -> str:
    """Return a figure as an <svg> element."""
    match figure:
        case Forest():
            return _forest(figure)
        case Marks():
            return _marks(figure)
        case Bands() | Bars():
            return _lines(figure)
    raise TypeError(f"{type(figure).__name__}: no figure that this page draws")


def _lines(chart: Bands | Bars) -> str:
    frame = _Frame(view(chart.series, chart.axes))
    parts = frame.grid(chart.axes)
    bars = isinstance(chart, Bars)
    for i, one in enumerate(chart.series):
        count = len(chart.series)
        shift = 7.0 * (i - (count - 1) / 2) * min(1.0, 8 / count) if bars else 0.0
        drawn = [_bar(frame, p, shift) for p in one.points] if bars else [_band(frame, one.points)]
        line = _path(frame, [(p.x, p.y) for p in one.points])
        drawn.append(f'<path class="line" d="{line}" transform="translate({round(shift, 2)} 0)"/>')
        if bars or len(one.points) <= chart.most_marks:
            drawn += [_marked(frame, one, p, shift) for p in one.points]
        parts.append(f'<g class="{css_class(one.style)}">{"".join(drawn)}</g>')
    return _svg(parts, _name(chart))


def _marks(chart: Marks) -> str:
    frame = _Frame(view(chart.series, chart.axes))
    parts = frame.grid(chart.axes)
    if corners := chart.corners():
        parts.append(f'<path class="frontier" d="{_path(frame, corners)}"/>')
    for one in chart.series:
        drawn = [_bar(frame, p, 0.0) + _marked(frame, one, p, 0.0) for p in one.points]
        parts.append(f'<g class="{css_class(one.style)}">{"".join(drawn)}</g>')
    return _svg(parts, _name(chart))


def _name(chart: Chart) -> str:
    return f"{chart.axes.y_label} against {chart.axes.x_label}"


ROW = 36
"""Height of a line of a forest plot: the label, and the interval below it."""


def _forest(forest: Forest) -> str:
    lines = forest.lines()
    bottom = TOP + ROW * len(lines)
    low, high = forest.limits()

    def x(value: float) -> float:
        share = (min(max(value, low), high) - low) / (high - low)
        return round(RIGHT + share * (WIDTH - 2 * RIGHT), 2)

    parts = []
    for value in ticks(low, high, 6):
        zero = " zero" if abs(value) < 1e-12 else ""
        parts.append(f'<path class="grid{zero}" d="M{x(value)} {TOP}V{bottom}"/>')
        parts.append(
            f'<text class="tick" x="{x(value)}" y="{bottom + 17}" text-anchor="middle">{tick_text(value)}</text>'
        )
    for place, line in enumerate(lines):
        top = TOP + ROW * place
        parts.append(
            _forest_row(line, x, top, (low, high))
            if isinstance(line, Row)
            else f'<text class="label group" x="{RIGHT}" y="{top + 24}">{escape(line)}</text>'
        )
    parts.append(f'<path class="axis" d="M{RIGHT} {bottom}H{WIDTH - RIGHT}"/>')
    parts.append(
        f'<text class="label" x="{WIDTH / 2}" y="{bottom + 38}" text-anchor="middle">{escape(forest.x_label)}</text>'
    )
    return _svg(parts, forest.title, bottom + BOTTOM)


def _forest_row(row: Row, x: Callable[[float], float], top: int, ends: tuple[float, float]) -> str:
    y, drawn = top + 26, [f"<title>{escape(row.label)}</title>"]
    label = escape(row.short(row.label, 66))
    if math.isfinite(row.smallest_effect):
        left, right = x(-row.smallest_effect), x(row.smallest_effect)
        drawn.append(f'<path class="unseen" d="M{left} {y - 6}H{right}v12H{left}z"/>')
    if math.isfinite(row.low) and math.isfinite(row.high):
        caps = "".join(f"M{x(e)} {y - 3}v6" for e in (row.low, row.high) if ends[0] <= e <= ends[1])
        drawn.append(f'<path class="bar" d="M{x(row.low)} {y}H{x(row.high)}{caps}"/>')
    drawn.append(
        f'<path class="mark" d="{mark(row.style)}" transform="translate({x(row.difference)} {y})"/>'
    )
    drawn.append(f'<text class="label" x="{RIGHT}" y="{top + 13}">{label}</text>')
    drawn.append(
        f'<text class="label" x="{WIDTH - RIGHT}" y="{top + 13}" text-anchor="end">{escape(row.text)}</text>'
    )
    return f'<g class="{css_class(row.style)}">{"".join(drawn)}</g>'
