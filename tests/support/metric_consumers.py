"""Which rows of METRICS reach each place that shows or uses a metric: run folder, report, rederive and the rest."""

import contextlib
import csv
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from seq2seq_lab.metrics import interval
from seq2seq_lab.metrics.table import METRICS
from seq2seq_lab.report import tables
from seq2seq_lab.report.analysis import analyse
from seq2seq_lab.report.page import write_report
from seq2seq_lab.report.records import read_records
from seq2seq_lab.report.statistics import NO_SENTENCES
from seq2seq_lab.training import session, summary
from seq2seq_lab.training.callback import progress
from seq2seq_lab.training.callback.bleu import Bleu
from seq2seq_lab.training.logger.csv_metrics import CsvMetrics
from support.small_runs import small, trainer
from support.study_folder import Plan, write_study

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
PLAN = Plan(errors={"none": 0.4, "dot": 0.1}, seeds=(1, 2), sentences=12, seed_spread=0.01)
TEXTS = ["a b c", "d e f", "g h", "i j k l"], ["a b c", "d e f g", "g x", "i j k"]


def write_run(folder: Path) -> None:
    """Score both splits with an untrained model by the callback, and record the numbers as a run does."""
    folder.mkdir()
    parts, callback = small("decoding.max_ratio=1.0"), Bleu()
    engine = trainer(folder, callbacks=[callback], logger=[CsvMetrics(folder)])
    engine.validate(parts.module, datamodule=parts.data, verbose=False)
    engine.test(parts.module, datamodule=parts.data, verbose=False)
    session.record(folder, callback.numbers, [])


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def in_result(folder: Path) -> set[str]:
    result = json.loads((folder / "run" / "result.json").read_text(encoding="utf-8"))
    return {name for name in METRICS if {f"val/{name}", f"test/{name}"} <= set(result)}


def in_metrics_csv(folder: Path) -> set[str]:
    columns = read_csv(folder / "run" / "metrics.csv")[0]
    return {name for name in METRICS if {f"val/{name}", f"test/{name}"} <= set(columns)}


def in_summary(folder: Path) -> set[str]:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        summary.print_summary(folder / "run", {f"test/{name}": 12.34 for name in METRICS})
    lines = [line for line in printed.getvalue().splitlines() if "12.34" in line]
    return {name for name, row in METRICS.items() if any(f" {row.label} " in x for x in lines)}


def in_epoch_line(folder: Path) -> set[str]:
    """A row without `epoch_line` has none on purpose, and counts as there."""
    found = {name: progress.epoch_line(0, 1, {f"val/{name}": 12.0}, 1.0) for name in METRICS}
    return {n for n, row in METRICS.items() if row.epoch_line.format(12.0) in found[n]}


def in_interval(folder: Path) -> set[str]:
    found = set()
    for name in METRICS:
        with contextlib.suppress(ValueError):
            low, high = interval.bootstrap_interval(name, *TEXTS, tokenize="13a")
            found |= {name} if low <= high else set()
    return found


def in_table(folder: Path) -> set[str]:
    """A study of one seed whose metric it is has an interval and a p-value over sentences in table.csv."""
    place, found = write_study(folder / "one", Plan(PLAN.errors, (4,), sentences=12)), set()
    for name in METRICS:
        text = tables.table_csv(analyse(read_records(place, f"test/{name}")))
        rows = list(csv.DictReader(io.StringIO(text)))
        if [r["metric"] for r in rows] == [f"test/{name}"] * 2 and rows[0]["low"] and rows[1]["p"]:
            found.add(name)
    return found


def in_comparisons(folder: Path) -> set[str]:
    rows = read_csv(folder / "study" / "report" / "comparisons.csv")
    return {
        row["metric"].removeprefix("test/")
        for row in rows
        if row["p"] and NO_SENTENCES not in row["note"]
    }


def rederive(place: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPTS / "rederive.py"), str(place)]
    return subprocess.run(command, capture_output=True, text=True)


def in_rederive(folder: Path) -> set[str]:
    """Rederive agrees with the study, and finds a changed number of a run and of a comparison."""
    if rederive(folder / "study").returncode != 0:
        return set()
    place = shutil.copytree(folder / "study", folder / "changed")
    for name, columns in (("runs.csv", [f"val/{m}" for m in METRICS]), ("comparisons.csv", ["p"])):
        path = place / "report" / name
        rows = read_csv(path)
        for row in rows:
            row |= {c: repr(float(row[c]) + 1e-6) for c in columns if row.get(c)}
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    lines = rederive(place).stdout.splitlines()
    cells = [x for x in lines if x.startswith("runs.csv")]
    in_cells = {m for m in METRICS if any(f", val/{m}:" in x for x in cells)}
    return {m for m in in_cells if any(x.startswith(f"comparisons.csv, test/{m},") for x in lines)}


CONSUMERS: dict[str, Callable[[Path], set[str]]] = {
    "result.json": in_result,
    "metrics.csv": in_metrics_csv,
    "summary": in_summary,
    "epoch line": in_epoch_line,
    "interval": in_interval,
    "table.csv": in_table,
    "comparisons.csv": in_comparisons,
    "rederive": in_rederive,
}


def prepare(folder: Path) -> None:
    """Write the run and the study that the consumers are asked about."""
    write_run(folder / "run")
    write_report(write_study(folder / "study", PLAN))


def reached(folder: Path) -> dict[str, set[str]]:
    """Return for each consumer the rows of METRICS that reach it."""
    prepare(folder)
    return {consumer: names(folder) for consumer, names in CONSUMERS.items()}
