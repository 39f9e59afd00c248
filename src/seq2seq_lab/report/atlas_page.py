"""The atlas as files: a page, Markdown for a site, one figure, and all numbers as CSV."""

from pathlib import Path

from seq2seq_lab.errors import printable
from seq2seq_lab.files import write_text
from seq2seq_lab.report import tables
from seq2seq_lab.report.atlas import Atlas, Effect
from seq2seq_lab.report.axis import axis_label
from seq2seq_lab.report.chart import Forest, Row
from seq2seq_lab.report.figures import FOREST
from seq2seq_lab.report.html import filled
from seq2seq_lab.report.reproduction_figure import Panel, drawing
from seq2seq_lab.report.spread import LEVEL

READING = (
    "Each effect is the first arm minus the second one of the same study, with its 95 % interval over seeds and "
    "sentences. Effects on other data or in another metric cannot be compared in size. Seeds are those of both arms. "
    "Holm corrects p for the number of effects on this page. What others published was measured on other data and with "
    "other sizes: compare signs."
)
_HEAD = (
    "effect",
    "data, test sentences",
    "metric",
    "seeds",
    "difference",
    "95 % interval",
    "p",
    "p (Holm)",
)
_MARK = 1


def write_atlas(atlas: Atlas, folder: Path) -> Path:
    """Write atlas.md, .svg, .csv and .html to the folder and return the page; the same studies give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = panels(atlas)
    pages = {
        effect.bar.study: f"reproductions/{effect.bar.study}.md"
        for effect in atlas.effects
        if (folder / "reproductions" / f"{effect.bar.study}.md").is_file()
    }
    write_text(folder / "atlas.csv", table_csv(atlas))
    write_text(folder / "atlas.svg", drawing(figures, columns=1) if figures else _NO_FIGURE)
    write_text(folder / "atlas.md", markdown(atlas, pages))
    content = {
        "atlas": atlas, "figures": [one.figure for one in figures], "reading": READING, "head": _HEAD, "pages": pages,
        "cells": cells, "of_choice": of_choice, "gaps": gaps, "level": LEVEL,
    }  # fmt: skip
    write_text(folder / "atlas.html", printable(filled("atlas.html.j2", content)))
    return folder / "atlas.html"


_NO_FIGURE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1" width="1" height="1"/>\n'


def of_choice(atlas: Atlas, choice: str) -> list[Effect]:
    """Return the effects of a choice."""
    return [effect for effect in atlas.effects if effect.bar.choice == choice]


def panels(atlas: Atlas) -> list[Panel]:
    """Return one forest plot for each metric: no two metrics share an axis. Groups are choice and data set."""
    found = []
    for metric in dict.fromkeys(effect.metric for effect in atlas.effects):
        rows = tuple(_row(effect) for effect in atlas.effects if effect.metric == metric)
        title, label = axis_label(metric), f"{axis_label(metric)}: difference"
        figure = Forest(f"atlas_{metric.replace('/', '_')}", title, FOREST, label, rows)
        found.append(Panel(title, figure, {}))
    return found


def _row(effect: Effect) -> Row:
    c = effect.comparison
    text = f"{tables.signed(c.difference)} {tables.interval_text(c.low, c.high)}"
    group = ": ".join(part for part in (effect.bar.choice, effect.data) if part)
    return Row(effect.bar.says, _MARK, c.difference, c.low, c.high, c.smallest_effect, text, group)


def cells(effect: Effect) -> list[str]:
    """Return the row of an effect as texts, without its study."""
    c = effect.comparison
    part = effect.bar.terms[0].part
    where = ", ".join(
        t for t in (effect.data, f"{effect.sentences:,}", f"{part}" if part else "") if t
    )
    return [
        effect.bar.says, where, axis_label(effect.metric), " + ".join(map(str, effect.seeds)),
        tables.signed(c.difference), tables.interval_text(c.low, c.high), tables.p_text(c.p),
        tables.p_text(effect.p_holm),
    ]  # fmt: skip


def gaps(atlas: Atlas) -> list[str]:
    """Return what is declared and not there: choices that are not measured yet, and bars with the reason."""
    found = []
    for choice in atlas.declaration.choices:
        why = [(bar, text) for bar, text in atlas.missing if bar.choice == choice]
        if choice in atlas.unmeasured:
            reasons = "; ".join(dict.fromkeys(text for _, text in why))
            found.append(f"{choice}: not measured yet" + f" ({reasons})" * bool(reasons))
        else:
            found += [f"{choice}, {bar.says}: {text}" for bar, text in why]
    return found


def markdown(atlas: Atlas, pages: dict[str, str]) -> str:
    """Return atlas.md; `pages` are the links of the studies that have a page."""
    lines = [f"# {tables.markdown_text(atlas.declaration.title)}", "", READING, ""]
    if atlas.effects:
        lines += ["![Effects by design choice, with 95 % intervals](atlas.svg)", ""]
    for choice in atlas.declaration.choices:
        effects = of_choice(atlas, choice)
        if not effects:
            continue
        lines += [f"## {tables.markdown_text(choice)}", ""]
        for study in dict.fromkeys(one.bar.study for one in effects):
            lines += _study_lines([e for e in effects if e.bar.study == study], pages.get(study))
    if found := gaps(atlas):
        lines += ["## Not measured yet", "", *(f"- {tables.markdown_text(t)}" for t in found), ""]
    return printable("\n".join(lines))


def _study_lines(effects: list[Effect], page: str | None) -> list[str]:
    """Return the effects of one choice in one study as a table, below the study's name and its command."""
    name = tables.markdown_text(effects[0].bar.study)
    notes = dict.fromkeys(e.comparison.note for e in effects if e.comparison.note)
    known = [e.bar for e in effects if e.bar.published]
    return [
        f"[{name}]({page}):" if page else f"{name}:", "```", effects[0].command, "```",
        tables.markdown_row(_HEAD), tables.markdown_row(["---"] * len(_HEAD)),
        *(tables.markdown_row(cells(one)) for one in effects), "",
        *(f"- Published, {tables.markdown_text(f'{b.says}: {b.published}')}" for b in known), *([""] if known else []),
        *(f"Note: {tables.markdown_text(note)}.\n" for note in notes),
    ]  # fmt: skip


def table_csv(atlas: Atlas) -> str:
    """Return a row for each effect, with 10 significant digits: the last ones of a sum depend on the CPU."""
    rows: list[list[object]] = [[
        "choice", "says", "study", "metric", "data", "sentences", "part", "arm", "minus", "arm_seeds", "minus_seeds",
        "difference", "low", "high", "p", "p_holm", "smallest_effect", "note", "published", "command",
    ]]  # fmt: skip
    for effect in atlas.effects:
        bar, c = effect.bar, effect.comparison
        arm, minus = (" ".join(f"{k}={v}" for k, v in term.arm.items()) for term in bar.terms)
        rows.append([
            bar.choice, bar.says, bar.study, effect.metric, effect.data, effect.sentences, str(bar.terms[0].part or ""),
            arm, minus, *effect.seeds,
            *(float(f"{value:.10g}") for value in (c.difference, c.low, c.high, c.p, effect.p_holm, c.smallest_effect)),
            c.note, bar.published, effect.command,
        ])  # fmt: skip
    return tables.csv_text(rows)
