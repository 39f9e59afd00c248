"""The report of a study: one page without scripts or network, and its tables as files."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq_lab.files import write_text
from seq2seq_lab.metrics.table import METRICS
from seq2seq_lab.report import tables
from seq2seq_lab.report.analysis import Analysis, analyse
from seq2seq_lab.report.arm_names import arm_names, made_names
from seq2seq_lab.report.axis import file_name
from seq2seq_lab.report.figures import figures
from seq2seq_lab.report.html import FIGURES, filled
from seq2seq_lab.report.latex import table_tex
from seq2seq_lab.report.notes import EXPLAINED, notes_of
from seq2seq_lab.report.outside_scores import SCORES, joined, read_scores, rows_of, stored
from seq2seq_lab.report.prediction_text import FILE, Judged, judged, markdown_of, prediction_csv
from seq2seq_lab.report.provenance import attention_pictures, facts
from seq2seq_lab.report.records import Records, read_records
from seq2seq_lab.report.search_arms import FACTOR
from seq2seq_lab.report.sentence_diff import judged_by, sentence_changes
from seq2seq_lab.report.several import Column, in_columns
from seq2seq_lab.report.several_page import write_several
from seq2seq_lab.report.spread import LEVEL


def write_report(
    study_dir: Path,
    metric: str | None = None,
    scores: str | None = None,
    *,
    with_figures: bool = False,
    searches: bool | None = None,
    place: Path | None = None,
) -> Path:
    """Write <study_dir>/report/, or `place`, and return its index.html; `metric` replaces the study's own.

    The same files give the same bytes. Runs that are not done are listed and left out of the numbers. `scores` names a
    file with further scores of each sentence; without it those of an earlier report are left out. Figures for papers
    are written if asked for, and again where an earlier report left some: none is older than the page. `searches` makes
    each search of the runs an arm; None: if the study's prediction names some.
    """
    found = {} if scores is None else read_scores(scores)
    with METRICS.with_rows(rows_of(found)):
        records = read_records(study_dir, metric, found, searches=searches)
        whole, folder = joined(records, found, scores or ""), place or study_dir / "report"
        shown = judged(records if metric is None else read_records(study_dir, searches=searches))
        if shown is not None and shown.prediction.by is not None:
            return _write_by(whole, shown, folder, with_figures=with_figures)
        return write_pages(whole, folder, with_figures=with_figures, prediction=shown)


def _write_by(records: Records, shown: Judged, folder: Path, *, with_figures: bool) -> Path:
    """Write one table with a column for each value of the factor `by`, and below it a report of each value.

    Arms of other values have other test sentences: each value has a baseline of its own.
    """
    by = shown.prediction.by or ""
    several = in_columns([records], by)
    places = [file_name(value) for value in records.factors[by]]
    if len(set(places)) < len(places):
        places = [f"column_{i}" for i in range(1, len(places) + 1)]
    pages = {}
    for column, place in zip(several.columns, places, strict=True):
        write_pages(column.records, folder / place, with_figures=with_figures, of=column)
        pages[column.name] = f"{place}/index.html"
    write_text(folder / SCORES, stored(records))
    write_text(folder / FILE, prediction_csv(shown))
    return write_several(several, folder, with_figures=with_figures, prediction=shown, pages=pages)


def write_pages(
    records: Records,
    folder: Path,
    *,
    with_figures: bool = False,
    prediction: Judged | None = None,
    of: Column | None = None,
) -> Path:
    """Write page, tables and figures into the folder and return the page's path; `of` is the column of the records."""
    analysis = analyse(records) if of is None else of.analysis
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / SCORES, stored(records))
    write_text(folder / "table.csv", tables.table_csv(analysis))
    write_text(folder / "comparisons.csv", tables.comparisons_csv(analysis))
    write_text(folder / "by_length.csv", tables.by_length_csv(analysis.by_length))
    write_text(folder / "by_target_length.csv", tables.by_length_csv(analysis.by_target_length))
    write_text(folder / "by_rarity.csv", tables.by_rarity_csv(analysis))
    write_text(folder / "runs.csv", tables.runs_csv(records))
    names = arm_names(records) if of is None else made_names(records)
    write_text(folder / "table.tex", table_tex(records, analysis, names))
    lines = () if prediction is None else markdown_of(prediction)
    write_text(folder / "report.md", tables.markdown(records, analysis, lines))
    if prediction is not None:
        write_text(folder / FILE, prediction_csv(prediction))
    if with_figures or (folder / FIGURES).is_dir():
        from seq2seq_lab.report.paper import write_figures  # matplotlib

        write_figures(folder / FIGURES, figures(records, analysis), names)
    write_text(folder / "index.html", page(records, analysis, prediction))
    return folder / "index.html"


def page(records: Records, analysis: Analysis, prediction: Judged | None = None) -> str:
    """Return the page; every text of the study is escaped."""
    return filled("page.html.j2", {**_content(records, analysis), "prediction": prediction})


def _content(records: Records, analysis: Analysis) -> dict[str, Any]:
    return {
        "records": records,
        "analysis": analysis,
        "done": records.total - len(records.unfinished),
        "counted": tables.counted(records),
        "baseline": analysis.table[0].arm if analysis.table else None,
        "verdict": verdict(analysis),
        "notes": [(text, EXPLAINED.get(text, "")) for text in notes_of(analysis.table)],
        "columns": tables.SHOWN,
        "digits": tables.digits_for(analysis.table),
        "styles": {arm: i for i, arm in enumerate(records.arms)},
        "levels": factor_levels(records, analysis),
        "figures": figures(records, analysis),
        "search_columns": tables.SEARCHES,
        "searches": tables.search_texts(records) if FACTOR in records.factors else [],
        "diagnostics": diagnostics(records),
        "judged_by": METRICS[judged_by(records)].label,
        "changes": sentence_changes(records, analysis),
        "pictures": attention_pictures(records),
        "facts": facts(records),
        "level": LEVEL,
        "nan": math.nan,
    }


def verdict(analysis: Analysis) -> str:
    """Return one sentence: how many arms differ from the baseline."""
    compared = [row for row in analysis.table if math.isfinite(row.p_holm)]
    if not compared:
        return "No arm could be compared with the baseline yet."
    found = [row.arm for row in compared if row.p_holm < LEVEL]
    arms = {0: "No arm differs", 1: "1 arm differs"}.get(len(found), f"{len(found)} arms differ")
    named = f": {'; '.join(found)}" if found else ""
    count = f"{len(compared)} comparison" + "s" * (len(compared) != 1)
    return f"{arms} from the baseline at 5 % (Holm's correction, {count}){named}."


@dataclass(frozen=True)
class Level:
    """One value of a factor, over all arms that have it."""

    factor: str
    value: str
    arms: int
    mean: float
    lowest: float
    highest: float


def factor_levels(records: Records, analysis: Analysis) -> list[Level]:
    """Return the metric by factor value; empty for a single factor, whose values are the arms."""
    if len(records.factors) < 2:
        return []
    means = {row.arm: row.interval.mean for row in analysis.table}
    levels = []
    for factor, values in records.factors.items():
        for value in values:
            found = [
                means[arm]
                for arm, runs in records.arms.items()
                if arm in means and runs[0].factors.get(factor) == value
            ]
            if found:
                mean = sum(found) / len(found)
                levels.append(Level(factor, value, len(found), mean, min(found), max(found)))
    return levels


def diagnostics(records: Records) -> tuple[list[str], list[tuple[str, list[float]]]]:
    """Return the names of the attention numbers, and per arm their means over seeds (NaN: it has none)."""
    keys = sorted({k for run in records.runs for k in run.result if k.startswith("attention/")})
    rows = []
    for arm, runs in records.arms.items():
        found = [[run.result.get(key, math.nan) for run in runs] for key in keys]
        if any(math.isfinite(v) for values in found for v in values):
            rows.append((arm, [sum(values) / len(values) for values in found]))
    return [key.removeprefix("attention/") for key in keys], rows
