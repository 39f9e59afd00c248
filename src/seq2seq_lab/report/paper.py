"""The figures of a report as files for a paper: PDF, SVG and PNG of one column, and their numbers as CSV.

Drawn by matplotlib from the same data as the page (chart.py), with embedded TrueType fonts in the PDF and text that
stays text in the SVG. Colours are those of the page, distinct for the colour-blind; marks and dashes keep series apart
in grey. The same figure gives the same bytes.
"""

import textwrap
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from seq2seq_lab.files import write_atomically, write_text
from seq2seq_lab.report.chart import (
    NUM_STYLES,
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
    data,
    view,
)
from seq2seq_lab.report.svg import tick_text
from seq2seq_lab.report.tables import csv_text

WIDTH = 3.4
"""Inches: a column of most conferences."""
DPI = 300
FORMATS = ("pdf", "svg", "png")
_HEIGHT, _LINE, _ROW = 2.3, 0.15, 0.32
_TALLEST = 150.0
"""Inches; a PNG of more has too many pixels."""
_STYLE: dict[Any, Any] = {
    "font.size": 8, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7, "legend.fontsize": 7,
    "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "lines.linewidth": 1.1,
    "axes.spines.top": False, "axes.spines.right": False, "grid.linewidth": 0.4, "grid.color": "0.88",
    "pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "seq2seq-lab", "axes.unicode_minus": True,
}  # fmt: skip
COLORS = ("#5b626d", "#0072b2", "#d55e00", "#009e73", "#aa4499", "#b8860b", "#56a0d8", "#882255")
"""Those of style.css.j2 on white paper."""
_MARKERS = ("o", "s", "^", "D", "v", "P", "_", "|")
_DASHES = (
    "-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)), (0, (6, 2)), (0, (2, 1)), (0, (8, 1, 1, 1)), (0, (1, 2)),
)  # fmt: skip
_NO_DATE: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None},
}  # fmt: skip


def write_figures(folder: Path, figures: Sequence[Figure], names: Mapping[str, str]) -> None:
    """Write NAME.pdf, NAME.svg, NAME.png and NAME.csv of each figure; others of an earlier report are removed.

    `names` are what people read for arms; the CSV has the arms as they are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = set()
    for figure in figures:
        drawn = drawing(figure, names)
        for kind in FORMATS:
            path = folder / f"{figure.name}.{kind}"
            write_atomically(path, partial(_save, drawn, kind))
            written.add(path)
        path = folder / f"{figure.name}.csv"
        write_text(path, csv_text(data(figure)))
        written.add(path)
    for path in folder.iterdir():
        if path not in written and path.suffix[1:] in (*FORMATS, "csv"):
            path.unlink()


def _save(drawn: Any, kind: str, path: Path) -> None:
    from matplotlib import rc_context

    with rc_context(_STYLE):
        drawn.savefig(path, format=kind, dpi=DPI, metadata=_NO_DATE[kind])


def drawing(figure: Figure, names: Mapping[str, str]) -> Any:
    """Return a figure as one of matplotlib's."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Canvas

    from seq2seq_lab.training.attention_map import choose_fonts

    labels = [*names.values(), *(str(value) for row in data(figure) for value in row[:3])]
    with rc_context({**_STYLE, "font.family": choose_fonts(labels)}):
        height = _HEIGHT
        if isinstance(figure, Forest):
            height = min(_ROW * len(figure.lines()) + 0.55, _TALLEST)
        canvas = Canvas(figsize=(WIDTH, height), layout="constrained")
        axes = canvas.add_subplot()
        match figure:
            case Forest():
                _forest(axes, figure, names)
            case Bands() | Bars() | Marks():
                _chart(axes, figure)
                _legend(canvas, axes, [names.get(one.label, one.label) for one in figure.legend])
            case _:
                raise TypeError(f"{type(figure).__name__}: no figure that a paper gets")
    return canvas


def _look(style: int) -> dict[str, Any]:
    """Return colour, mark and dashes of a series; after all colours the marks are hollow."""
    number, color = style % NUM_STYLES, COLORS[style % NUM_STYLES]
    hollow = style >= NUM_STYLES
    dashes = _DASHES[(number + style // NUM_STYLES) % NUM_STYLES]
    return {"color": color, "marker": _MARKERS[number], "markersize": 4, "markeredgewidth": 0.8, "linestyle": dashes,
            "markerfacecolor": "white" if hollow else color, "markeredgecolor": color}  # fmt: skip


def _chart(axes: Any, chart: Chart) -> None:
    shown = view(chart.series, chart.axes)
    axes.set_xlim(shown.x_low, shown.x_high)
    axes.set_ylim(shown.y_low, shown.y_high)
    axes.set_xlabel(chart.axes.x_label)
    axes.set_ylabel(textwrap.fill(chart.axes.y_label, 32))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    if chart.axes.x_ticks:
        step = -(-len(chart.axes.x_ticks) // 12)
        ticks = chart.axes.x_ticks[::step]
        axes.set_xticks([x for x, _ in ticks], [text for _, text in ticks])
    else:
        axes.xaxis.set_major_formatter(lambda value, _: tick_text(value))
    if chart.axes.zero_line:
        axes.axhline(0.0, color="0.3", linewidth=0.6)
    if isinstance(chart, Marks) and (corners := chart.corners()):
        axes.plot(
            *zip(*corners, strict=True),
            color="0.5",
            linestyle=":",
            linewidth=0.8,
            marker="",
            label="_",
        )
    for place, one in enumerate(chart.series):
        _series(axes, chart, one, shown, place)


def _series(axes: Any, chart: Chart, one: Series, shown: View, place: int) -> None:
    from matplotlib.transforms import ScaledTranslation

    look = _look(one.style)
    known = [p for p in one.points if p.low == p.low and p.high == p.high]  # NaN: no interval
    xs, ys = [p.x for p in one.points], [p.y for p in one.points]
    ends = [shown.cut(p) for p in known]
    if isinstance(chart, Bands):
        lows, highs = [low for low, _ in ends], [high for _, high in ends]
        axes.fill_between(
            [p.x for p in known], lows, highs, color=look["color"], alpha=0.18, linewidth=0
        )
        look["markevery"] = max(1, len(xs) // 8)
        axes.plot(xs, ys, label=one.label, **look)
        return
    count = len(chart.series)
    shift = (
        4.0 * (place - (count - 1) / 2) * min(1.0, 8 / count) if isinstance(chart, Bars) else 0.0
    )
    moved = axes.transData + ScaledTranslation(shift / 72, 0, axes.figure.dpi_scale_trans)
    for point, (low, high) in zip(known, ends, strict=True):
        _bar(axes, point, low, high, color=look["color"], transform=moved)
    look |= {"linestyle": ""} if isinstance(chart, Marks) else {}
    axes.plot(xs, ys, label=one.label, transform=moved, clip_on=False, **look)


def _bar(axes: Any, point: Point, low: float, high: float, **look: Any) -> None:
    """Draw an interval upright; an end that is cut has no cap."""
    axes.plot([point.x, point.x], [low, high], linewidth=0.9, marker="", label="_", **look)
    caps = [end for end in (point.low, point.high) if end in (low, high)]
    axes.plot(
        [point.x] * len(caps), caps, linestyle="", marker="_", markersize=5, label="_", **look
    )


def _legend(canvas: Any, axes: Any, labels: Sequence[str]) -> None:
    """Write the legend below the axes, and make the figure higher by its lines."""
    texts = [textwrap.fill(text, 56) for text in labels]
    longest = max(len(line) for text in texts for line in text.split("\n"))
    columns = max(1, min(len(texts), int(66 / (longest + 8))))
    handles = [line for line in axes.lines if not line.get_label().startswith("_")]
    rows = [texts[i : i + columns] for i in range(0, len(texts), columns)]
    lines = sum(max(text.count("\n") + 1 for text in row) for row in rows)
    canvas.set_figheight(min(_HEIGHT + _LINE * lines, _TALLEST))
    canvas.legend(handles, texts, loc="outside lower center", ncols=columns, frameon=False,
                  handlelength=2.4, columnspacing=1.2, labelspacing=0.3, borderpad=0.1)  # fmt: skip


def _forest(axes: Any, forest: Forest, names: Mapping[str, str]) -> None:
    lines = forest.lines()
    low, high = forest.limits()
    axes.set_xlim(low, high)
    axes.set_ylim(len(lines) - 0.3, -0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(textwrap.fill(forest.x_label, 60))
    axes.axvline(0.0, color="0.3", linewidth=0.6)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    for place, line in enumerate(lines):
        if isinstance(line, Row):
            _forest_row(axes, line, names.get(line.label, line.label), place, (low, high))
        else:
            axes.text(
                0.0,
                place,
                line,
                transform=axes.get_yaxis_transform(),
                va="center",
                weight="bold",
                clip_on=False,
            )


def _forest_row(axes: Any, row: Row, label: str, place: int, ends: tuple[float, float]) -> None:
    look = _look(row.style)
    if row.smallest_effect == row.smallest_effect:
        half = row.smallest_effect
        axes.barh(
            place + 0.2, 2 * half, left=-half, height=0.4, color="0.85", linewidth=0, zorder=0.5
        )
    if row.low == row.low and row.high == row.high:
        drawn = [min(max(e, ends[0]), ends[1]) for e in (row.low, row.high)]
        axes.plot(drawn, [place + 0.2] * 2, color=look["color"], linewidth=1.1)
        caps = [e for e in (row.low, row.high) if e in drawn]
        axes.plot(
            caps,
            [place + 0.2] * len(caps),
            color=look["color"],
            linestyle="",
            marker="|",
            markersize=5,
        )
    axes.plot([row.difference], [place + 0.2], **{**look, "linestyle": ""})
    text = {"transform": axes.get_yaxis_transform(), "va": "center", "size": 7, "clip_on": False,
            "bbox": {"boxstyle": "square,pad=0.05", "facecolor": "white", "linewidth": 0}}  # fmt: skip
    axes.text(0.0, place - 0.25, row.short(label, 60), ha="left", **text)
    axes.text(1.0, place - 0.25, row.text, ha="right", **text)
