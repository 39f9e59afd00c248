"""What W&B is given of a study, as plain data: the numbers of its own run, and the texts of its Report."""

import csv
import io
import math
import shlex
from pathlib import Path
from typing import Any

from seq2seq_lab.config.command_line import quoted
from seq2seq_lab.report import tables
from seq2seq_lab.report.analysis import Analysis, analyse
from seq2seq_lab.report.figures import by_arm
from seq2seq_lab.report.figures_training import curves_by_arm
from seq2seq_lab.report.html import figure_page
from seq2seq_lab.report.page import verdict
from seq2seq_lab.report.records import Records, read_records
from seq2seq_lab.report.run_files import is_number
from seq2seq_lab.study.matrix import SEED_KEY, Study

_LONGEST = 128
"""Characters that W&B takes in a title."""
Table = dict[str, list[Any]]


def numbers(records: Records, analysis: Analysis) -> dict[str, Any]:
    """Return the tables, curves and picture of the study's own run, as the report has them."""
    arms = [
        [row.arm, len(row.seeds), *map(_known, (row.interval.mean, row.interval.low, row.interval.high))]
        for row in analysis.table
    ]  # fmt: skip
    metric, curves = curves_by_arm(records)
    figure = by_arm(records, analysis)
    return {
        "metric": records.metric,
        "arms": {"columns": ["arm", "runs", "mean", "low", "high"], "rows": arms},
        "comparisons": table_of(tables.comparisons_csv(analysis)),
        "curves": {
            "title": f"{metric} by epoch, mean over seeds",
            "lines": {
                arm: [[p.x, p.y] for p in points] for arm, points in curves.items() if points
            },
        },
        "picture": figure_page(figure) if figure else None,
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def table_of(text: str) -> Table:
    """Return the columns and rows of CSV text; a column of numbers alone is one of floats, empty cells None."""
    columns, *rows = list(csv.reader(io.StringIO(text)))
    if any(len(row) != len(columns) for row in rows):
        raise ValueError("rows of other widths than the first")
    numeric = [all(is_number(row[i]) for row in rows if row[i]) for i in range(len(columns))]
    cells = [
        [
            (float(text) if of_numbers else text) if text else None
            for text, of_numbers in zip(row, numeric, strict=True)
        ]
        for row in rows
    ]
    return {"columns": columns, "rows": cells}


def texts(records: Records, analysis: Analysis) -> dict[str, Any]:
    """Return what the Report of a study says and shows."""
    done = records.total - len(records.unfinished)
    lead = [f"{done} of {records.total} runs are done. {tables.markdown_text(verdict(analysis))}"]
    if analysis.table:
        baseline = tables.markdown_text(analysis.table[0].arm)
        lead += [
            f"Metric: {tables.markdown_text(records.metric)}. Baseline, the first arm: {baseline}."
        ]
    return {
        "study": records.name,
        "title": records.name[:_LONGEST],
        "description": verdict(analysis),
        "metric": records.metric,
        "lead": "\n\n".join(lead),
        "arms": "\n".join([*tables.arms_markdown(analysis), "", tables.READING])
        if analysis.table
        else "",
        "comparisons": "\n".join(tables.comparisons_markdown(analysis)),
        "unfinished": "\n".join(tables.unfinished_markdown(records)),
        "command": command(Study.load(records.place)),
        "code": code(records),
    }


def command(study: Study) -> str:
    """Return the command that runs a study of this plan."""
    swept = {key: ",".join(values) for key, values in study.factors.items()}
    if not any(word.startswith(f"{SEED_KEY}=") for word in study.fixed):
        swept[SEED_KEY] = ",".join(map(str, study.seeds))
    named = f"study={study.name}" if study.name.isidentifier() else f"study={quoted(study.name)}"
    words = [named, *study.fixed, *(f"{key}={values}" for key, values in swept.items())]
    return shlex.join(["python", "train.py", "-m", *words])


def code(records: Records) -> str:
    """Return one line per version of the code that the runs were made with."""
    found = {}
    for run in records.runs:
        facts = run.manifest.get("code")
        facts = facts if isinstance(facts, dict) else {}
        commit, diff = facts.get("commit"), facts.get("diff_sha256")
        text = f"commit {commit}" if commit else "no commit known"
        found[
            text + (f" with uncommitted changes (SHA-256 of the diff: {diff})" if diff else "")
        ] = True
    return "\n".join(found)


def read_numbers(study_dir: Path) -> dict[str, Any]:
    """Return the numbers of a study folder."""
    records = read_records(study_dir)
    return numbers(records, analyse(records))


def read_texts(study_dir: Path) -> dict[str, Any]:
    """Return the texts of a study folder."""
    records = read_records(study_dir)
    return texts(records, analyse(records))
