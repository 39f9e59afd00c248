"""The report of several studies: a page, and their one table as CSV, Markdown and LaTeX."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from seq2seq_lab.files import write_text
from seq2seq_lab.report import tables
from seq2seq_lab.report.analysis import ArmRow
from seq2seq_lab.report.axis import axis_label, file_name
from seq2seq_lab.report.chart import Forest
from seq2seq_lab.report.figures import FOREST, difference_rows
from seq2seq_lab.report.html import FIGURES, filled
from seq2seq_lab.report.latex import MARK, noted, significance, table, tex
from seq2seq_lab.report.notes import note_of, notes_of
from seq2seq_lab.report.prediction_text import Judged, markdown_of
from seq2seq_lab.report.several import Column, Several
from seq2seq_lab.report.spread import LEVEL


def write_several(
    several: Several,
    folder: Path,
    *,
    with_figures: bool = False,
    prediction: Judged | None = None,
    pages: Mapping[str, str] | None = None,
) -> Path:
    """Write the report of several studies to a folder and return its index.html; the same files give the same bytes.

    Of one study in several columns there may be a `prediction`, and `pages`: the links of the columns by name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figure = forest(several)
    named = [replace(row, label=several.names[row.label]) for row in figure.rows] if figure else []
    write_text(folder / "table.csv", table_csv(several))
    write_text(folder / "table.tex", table_tex(several))
    write_text(folder / "report.md", markdown(several, prediction))
    if with_figures or (folder / FIGURES).is_dir():
        from seq2seq_lab.report.paper import write_figures  # matplotlib

        write_figures(folder / FIGURES, [figure] if figure else [], several.names)
    content = {
        "several": several, "title": title(several), "notes": notes(several),
        "figure": figure and replace(figure, rows=tuple(named)),
        "shown": shown, "level": LEVEL, "done": done, "signatures": signatures, "reading": reading(several),
        "prediction": prediction, "pages": pages or {},
    }  # fmt: skip
    write_text(folder / "index.html", filled("several.html.j2", content))
    return folder / "index.html"


def title(several: Several) -> str:
    """Return the names of all columns."""
    return "; ".join(column.name for column in several.columns)


def done(column: Column) -> str:
    """Return how many runs of a column are done."""
    records = column.records
    return f"{records.total - len(records.unfinished)} of {records.total}"


def signatures(column: Column) -> str:
    """Return how the metric was counted in the runs of a column; empty for one without a signature."""
    name = column.records.metric.partition("/")[2]
    return "; ".join(sorted({run.signatures.get(name, "") for run in column.records.runs} - {""}))


def notes(several: Several) -> list[str]:
    """Return what must be said of the table: few seeds, other baselines, other signatures, runs that are not done."""
    found = [f"{c.name}: {text}" for c in several.columns for text in notes_of(c.rows)]
    found += [
        f"{c.name}: {len(c.records.unfinished)} of {c.records.total} runs are not done and are left out"
        for c in several.columns
        if c.records.unfinished
    ]
    baselines = {c.rows[0].arm for c in several.columns if c.rows}
    if len(baselines) > 1:
        found.append(
            f"the baselines differ: {', '.join(sorted(baselines))}; each difference is to that of its column"
        )
    if len({signatures(c) for c in several.columns if c.rows}) > 1:
        found.append(
            "the metric was counted in different ways (signatures): compare within a column only"
        )
    return found


def shown(several: Several, row: ArmRow | None) -> tuple[str, str]:
    """Return score and difference of an arm in a column as texts, each with its interval."""
    if row is None:
        return "–", "–"
    digits = tables.digits_for([r for c in several.columns for r in c.rows])
    i, c = row.interval, row.comparison
    score = f"{tables.number(i.mean, digits)} {tables.interval_text(i.low, i.high, digits)}"
    if c is None:
        return score, "baseline"
    star = "*" if row.p_holm < LEVEL else ""
    return (
        score,
        f"{tables.signed(c.difference, digits)}{star} {tables.interval_text(c.low, c.high, digits)}",
    )


def forest(several: Several) -> Forest | None:
    """Draw the differences of all columns below each other."""
    rows = [
        row for c in several.columns for row in difference_rows(c.rows, several.arms, c.name)
    ]  # fmt: skip
    if not rows:
        return None
    label = f"{axis_label(several.metric)} minus baseline"
    caption = f"Each arm minus the baseline of its study. {FOREST}"
    return Forest("differences", "Differences to the baselines", caption, label, tuple(rows))


def table_csv(several: Several) -> str:
    """Return a row for each arm of each column; Holm's correction is over all of them."""
    head = ["column", "metric", "arm", "baseline", "num_seeds", "seeds", "mean", "sd", "low", "high", "difference",
            "diff_low", "diff_high", "p", "p_holm", "smallest_effect", "note"]  # fmt: skip
    rows: list[list[object]] = [list(head)]
    for column, row in _rows(several):
        i, c = row.interval, row.comparison or tables.NO_COMPARISON
        rows.append([column.name, row.metric, row.arm, column.rows[0].arm, len(row.seeds),
                     " ".join(map(str, row.seeds)), i.mean, i.deviation, i.low, i.high, c.difference, c.low, c.high,
                     c.p, row.p_holm, c.smallest_effect, note_of(row)])  # fmt: skip
    return tables.csv_text(rows)


def _rows(several: Several) -> Iterator[tuple[Column, ArmRow]]:
    for column in several.columns:
        for row in column.rows:
            yield column, row


def markdown(several: Several, prediction: Judged | None = None) -> str:
    """Return report.md: the prediction, the table and how to read it."""
    head = ["arm", *(text for c in several.columns for text in (c.name, "difference"))]
    body = [
        [several.names[arm], *(t for c in several.columns for t in shown(several, c.row(arm)))]
        for arm in several.arms
    ]
    lines = [
        f"# {tables.markdown_text(title(several))}",
        "",
        f"Metric: {tables.markdown_text(several.metric)}.",
    ]
    lines += [f"\n**Note: {tables.markdown_text(text)}.**" for text in notes(several)]
    lines += ["", *markdown_of(prediction), "## Arms"] if prediction else []
    lines += ["", *(tables.markdown_row(cells) for cells in (head, ["---"] * len(head), *body)), ""]
    return "\n".join([*lines, tables.markdown_text(reading(several))]) + "\n"


def reading(several: Several) -> str:
    """Return how to read the table."""
    text = (
        "Means over seeds with Student's t interval, within the bounds of the metric. Differences are to the baseline "
        "of the column, paired by sentence."
    )
    if not several.comparisons:
        return text
    count = f"{several.comparisons} comparison" + "s" * (several.comparisons != 1)
    return f"{text} *: p < {LEVEL:g} after Holm's correction for {count}, all of the table."


def table_tex(several: Several) -> str:
    """Return a table over both columns of a page: for each study the score and the difference to its baseline."""
    count = len(several.columns)
    names = " & ".join(rf"\multicolumn{{2}}{{c}}{{{tex(c.name)}}}" for c in several.columns)
    rules = "".join(rf"\cmidrule(lr){{{2 + 2 * i}-{3 + 2 * i}}}" for i in range(count))
    body = []
    for arm in several.arms:
        cells = [text for c in several.columns for text in shown(several, c.row(arm))]
        body.append([tex(several.names[arm]), *(_tex_number(text) for text in cells)])
    text = f"{axis_label(several.metric)}: means over seeds and differences to the baseline, with 95 % intervals."
    found = [tex(text)]
    if several.comparisons:
        found.append(significance(several.comparisons))
    caption = " ".join([*found, *noted(notes(several), several.names)])
    label = f"tab:{file_name(title(several))}"
    comments = [f"{c.name}: {signatures(c)}" for c in several.columns if signatures(c)]
    return table(
        ["", *("score", "difference") * count], body, "l" + "rr" * count, caption, label=label, comments=comments,
        above=[f" & {names} \\\\", rules], environment="table*",
    )  # fmt: skip


def _tex_number(text: str) -> str:
    """Return a number with its interval in small digits, and its mark without width."""
    value, _, interval = text.partition(" ")
    marked = tex(value.rstrip("*")) + (MARK if value.endswith("*") else "")
    return rf"{marked} {{\scriptsize {tex(interval)}}}" if interval else marked
