"""The figure of a reproduction as one SVG file: differences, and scores by source length if the prediction has parts.

Drawn by svg.py from numbers alone: no font, date or library of the machine changes a byte. Colours are those of papers.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

from seq2seq_lab.errors import printable
from seq2seq_lab.report.axis import axis_label
from seq2seq_lab.report.chart import Chart, Figure, Forest
from seq2seq_lab.report.figures import FOREST, by_length, difference_rows
from seq2seq_lab.report.paper import COLORS
from seq2seq_lab.report.several import Several
from seq2seq_lab.report.svg import WIDTH, css_class, draw, mark

_GAP, _TITLE, _LINE = 20, 24, 18
_CHARACTER = 7
"""Pixels: the mean width of a character of a legend."""
_STYLE = (
    "text{fill:#5d636d;font:12px sans-serif}.label,.title{fill:#1d1f23}.title,.group{font-weight:600}"
    ".grid{stroke:#dcdee2}.grid.zero,.axis{stroke:#5d636d;fill:none}.unseen{fill:#5d636d;opacity:.2}"
    ".line{stroke-width:2;fill:none}.again .line{stroke-dasharray:6 4}.bar{stroke-width:1.3;fill:none;opacity:.75}"
    ".mark{stroke:#fff}.title{font-size:14px}.label{paint-order:stroke;stroke:#fff;stroke-width:4px}"
)


@dataclass(frozen=True)
class Panel:
    """One figure with a title of its own; `names` are what people call the arms."""

    title: str
    figure: Figure
    names: Mapping[str, str]


def panels(several: Several, study: str, *, with_lengths: bool) -> list[Panel]:
    """Return the differences of all columns, and of each column the score by source length if there are parts."""
    rows = []
    for column in several.columns:
        group = column_name(column.name, study)
        rows += difference_rows(column.rows, several.arms, "" if group == study else group)
    found = []
    if rows:
        named = tuple(replace(row, label=several.names[row.label]) for row in rows)
        label = f"{axis_label(several.metric)} minus baseline"
        figure = Forest("differences", "Differences to the baseline", FOREST, label, named)
        found.append(Panel(figure.title, figure, several.names))
    for column in several.columns if with_lengths else ():
        name = column_name(column.name, study)
        if (drawn := by_length(column.records, column.analysis)) is not None:
            title = drawn.title if name == study else f"{drawn.title}: {name}"
            found.append(Panel(title, drawn, several.names))
    return found


def column_name(name: str, study: str) -> str:
    """Return the value of the factor that makes a column; the name of the study where there is none."""
    return name.removeprefix(f"{study}, ")


def drawing(chosen: Sequence[Panel], *, columns: int = 2) -> str:
    """Return the panels as an SVG file, so many on a row."""
    parts, top = [], 0
    for start in range(0, len(chosen), columns):
        drawn = [_panel(one, top, i) for i, one in enumerate(chosen[start : start + columns])]
        parts += [text for text, _ in drawn]
        top += max(height for _, height in drawn) + _GAP
    count = min(columns, len(chosen))
    width = WIDTH * count + _GAP * (count - 1)
    colors = "".join(
        f".s{i} .line,.s{i} .bar{{stroke:{color}}}.s{i} .mark,.s{i} .band{{fill:{color}}}"
        f".s{i}.again .mark{{fill:#fff;stroke:{color}}}"
        for i, color in enumerate(COLORS)
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}" height="{top}">'
    paper = f'<rect width="{width}" height="{top}" fill="#fff"/>'
    text = "\n".join([head, f"<style>{_STYLE}{colors}</style>", paper, *parts, "</svg>", ""])
    return printable(text)


def _panel(panel: Panel, top: int, place: int) -> tuple[str, int]:
    """Return a panel below `top`, and its height in pixels."""
    left = place * (WIDTH + _GAP)
    parts = [f'<text class="title" x="{left + 14}" y="{top + 18}">{escape(panel.title)}</text>']
    below = _TITLE
    if isinstance(panel.figure, Chart):
        x, below = 14, below + _LINE
        for one in panel.figure.legend:
            name = panel.names.get(one.label, one.label)
            room = 30 + _CHARACTER * len(name)
            if x > 14 and x + room > WIDTH:
                x, below = 14, below + _LINE
            middle = top + below - 4
            sign = f'<path class="mark" d="{mark(one.style)}" transform="translate({left + x} {middle - 4})"/>'
            parts.append(f'<g class="{css_class(one.style)}">{sign}</g>')
            parts.append(f'<text x="{left + x + 10}" y="{middle}">{escape(name)}</text>')
            x += room
    inner = draw(panel.figure)
    size = re.match(r'<svg viewBox="0 0 \d+ (\d+)"', inner)
    assert size is not None
    height = int(size[1])
    place_of = f'<svg x="{left}" y="{top + below}" width="{WIDTH}" height="{height}"'
    parts.append(inner.replace("<svg", place_of, 1))
    return "\n".join(parts), below + height
