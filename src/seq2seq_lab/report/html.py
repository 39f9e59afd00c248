"""Fills the pages of a report: HTML without scripts or network, every text escaped."""

from pathlib import Path
from typing import Any

from seq2seq_lab.report import tables
from seq2seq_lab.report.chart import Figure
from seq2seq_lab.report.prediction_text import HEAD, READING
from seq2seq_lab.report.svg import css_class, draw, mark

FIGURES = "figures"
"""The folder of the figures for papers, in that of the report."""


def figure_page(figure: Figure) -> str:
    """Return one figure as a page of its own, in the style of the report."""
    return filled("figure.html.j2", {"figure": figure})


def filled(template: str, content: dict[str, Any]) -> str:
    """Return a template of this folder with its content, which is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = {
        function.__name__: function
        for function in (
            tables.number, tables.signed, tables.p_text, tables.interval_text, tables.shown_cells,
            css_class, mark, draw,
        )
    }  # fmt: skip
    environment.globals.update(shown)
    environment.globals.update(prediction_head=HEAD, prediction_reading=READING)
    return environment.get_template(template).render(content)
