"""The W&B run of a whole study: the table that compares its arms, and the report as an artifact."""

import csv
from pathlib import Path
from typing import Any, Literal

from seq2seq_lab.errors import ConfigError, DataError
from seq2seq_lab.report.records import is_number
from seq2seq_lab.stored_text import read_json, read_yaml
from seq2seq_lab.training.logger.wandb_run import WandbRun

REPORT_FILES = ("index.html", "report.md", "table.csv", "table.tex", "runs.csv")


def log_study(
    study_dir: Path,
    mode: Literal["offline", "online", "disabled"] | None = None,
    project: str | None = None,
    entity: str | None = None,
) -> None:
    """Make the study's own W&B run (job type `report`): its table, and the files of its report as one artifact.

    The run lies in <study_dir>/wandb. Online, a workspace with the study's charts is made too where the package
    wandb-workspaces is installed. Mode, project and entity are those of the runs unless given: runs without W&B get no
    such run. Raises `ConfigError` for a folder without a report.
    """
    study_dir = Path(study_dir).resolve()
    table = study_dir / "report" / "table.csv"
    if not table.is_file():
        raise ConfigError(f"{study_dir}: no report/table.csv; run seq2seq-lab report first")
    plan = read_plan(study_dir)
    name = str(plan.get("name") or study_dir.name)
    columns, rows = read_table(table)
    where = _logger_of(study_dir)
    mode = mode or where.get("mode")
    if mode is None:
        return
    project, entity = project or where.get("project"), entity or where.get("entity")
    run = WandbRun(
        project or "seq2seq-lab",
        mode,
        entity,
        group=name,
        job_type="report",
        tags=[name[:64], "report"],
    )
    facts: dict[str, Any] = {
        key: plan[key] for key in ("factors", "seeds", "fixed", "metric") if key in plan
    }
    run.open(study_dir, {"name": f"{name}-report", **facts})
    run.log_table("comparison", columns, rows)
    files = [str(study_dir / "report" / file) for file in REPORT_FILES]
    files = [file for file in files if Path(file).is_file()]
    run.send({"do": "artifact", "name": f"{_plain(name)}-report", "type": "report", "files": files})
    if mode == "online":
        run.send({"do": "workspace", "name": name, "metric": str(plan.get("metric", "test/bleu"))})
    run.close("success")


def _logger_of(study_dir: Path) -> dict[str, Any]:
    """Return the logger's settings of the first run that has any."""
    for path in sorted(study_dir.glob("runs/*/config.yaml")):
        training = read_yaml(path, DataError, "run the study's command again").get("training")
        found = training.get("logger") if isinstance(training, dict) else None
        # a run of before several loggers has the settings themselves
        of_wandb = found.get("wandb", found) if isinstance(found, dict) else None
        if isinstance(of_wandb, dict) and "project" in of_wandb:
            return of_wandb
    return {}


def _plain(name: str) -> str:
    """Return a name that W&B takes for an artifact."""
    return "".join(c if c.isalnum() or c in "_.-" else "_" for c in name)[:100]


def read_plan(study_dir: Path) -> dict[str, Any]:
    """Return study.json. Raises `ConfigError` where there is none."""
    advice = "not the plan of a study; give the folder of a study"
    return read_json(study_dir / "study.json", ConfigError, advice)


def read_table(path: Path) -> tuple[list[str], list[list[str | float | None]]]:
    """Return the columns and rows of a CSV file; a column of numbers alone is one of floats, empty cells None."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            columns, *rows = list(csv.reader(file))
        if any(len(row) != len(columns) for row in rows):
            raise ValueError("rows of other widths than the first")
    except (OSError, ValueError, csv.Error) as error:
        text = f"{path}: not the table of a report ({error}); run seq2seq-lab report again"
        raise DataError(text) from error
    numeric = [all(is_number(row[i]) for row in rows if row[i]) for i in range(len(columns))]
    cells: list[list[str | float | None]] = [
        [
            (float(text) if is_number else text) if text else None
            for text, is_number in zip(row, numeric, strict=True)
        ]
        for row in rows
    ]
    return columns, cells


def offline_runs(study_dir: Path) -> list[Path]:
    """Return the offline W&B runs of all runs of a study and of the study itself, oldest first."""
    found = [*study_dir.glob("runs/*/wandb/offline-run-*"), *study_dir.glob("wandb/offline-run-*")]
    return sorted((path for path in found if path.is_dir()), key=lambda path: path.name)
