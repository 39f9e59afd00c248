"""The table and the figure of what `benchmark.py scale` has measured."""

from pathlib import Path
from typing import Any

from benchmark.scale import AXES, COSTS, exponents


def table(found: list[dict[str, Any]]) -> None:
    """Print a table for each axis; the power with which a cost grew stands in brackets."""
    from rich.console import Console
    from rich.table import Table

    for axis, (_, label) in AXES.items():
        points = [one for one in found if one["axis"] == axis]
        costs = [cost for cost in COSTS if any(cost in one for one in points)]
        if not points:
            continue
        drawn = Table(title=f"By {label} (in brackets: the power of the size it grew with)")
        for name in (label, *(COSTS[cost] for cost in costs)):
            drawn.add_column(name, justify="right")
        powers = {cost: exponents(points, cost) for cost in costs}
        for one in points:
            cells = [_cell(one.get(cost), powers[cost].get(one["size"])) for cost in costs]
            drawn.add_row(f"{one['size']:,}", *cells)
        Console().print(drawn)


def _cell(value: float | None, power: float | None) -> str:
    if value is None:
        return ""
    shown = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return shown if power is None else f"{shown} ({power:.1f})"


def draw(found: list[dict[str, Any]], path: Path) -> None:
    """Draw seconds and MB against the size, both axes logarithmic; the suffix says which format."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    axes = [axis for axis in AXES if any(one["axis"] == axis for one in found)]
    figure = Figure(figsize=(4.2 * len(axes), 7.0), layout="constrained")
    FigureCanvasAgg(figure)
    drawn = figure.subplots(2, len(axes), squeeze=False)
    for column, axis in enumerate(axes):
        points = [one for one in found if one["axis"] == axis]
        for row, unit in enumerate(("_s", "_mb")):
            panel = drawn[row][column]
            for cost in (cost for cost in COSTS if cost.endswith(unit)):
                known = [one for one in points if one.get(cost)]
                if known:
                    x, y = [one["size"] for one in known], [one[cost] for one in known]
                    panel.plot(x, y, marker="o", label=COSTS[cost])
            panel.set(xscale="log", yscale="log", xlabel=AXES[axis][1])
            panel.set_ylabel("CPU seconds" if unit == "_s" else "MB")
            panel.grid(visible=True, which="major", alpha=0.3)
            panel.legend(fontsize=7)
    figure.savefig(path)
