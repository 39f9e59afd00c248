"""The W&B run of a whole study: the numbers that compare its arms, and the report as an artifact."""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.report.wandb_content import read_numbers
from seq2seq_lab.report.wandb_place import logger_of, read_kept, recorded, write_kept
from seq2seq_lab.stored_text import read_json
from seq2seq_lab.training.logger.wandb_run import WandbRun
from seq2seq_lab.training.logger.wandb_study import REPORT_JOB

REPORT_FILES = (
    "index.html",
    "report.md",
    "table.csv",
    "comparisons.csv",
    "by_length.csv",
    "table.tex",
    "runs.csv",
)
_FACTS = ("factors", "seeds", "fixed", "metric")
Mode = Literal["offline", "online", "disabled"]


def log_study(
    study_dir: Path,
    mode: Mode | None = None,
    project: str | None = None,
    entity: str | None = None,
) -> set[str]:
    """Make the study's own W&B run (job type `report`): tables, charts, and the files of its report as one artifact.

    The run lies in <study_dir>/wandb. Mode, project and entity are those of the runs unless given: runs without W&B get
    no such run, and numbers that were logged before are not logged again. Returns the names of the folders that W&B
    made: `run-...` of an online session, `offline-run-...`. Raises `ConfigError` for a folder without a report.
    """
    study_dir = Path(study_dir).resolve()
    if not (study_dir / "report" / "table.csv").is_file():
        raise ConfigError(f"{study_dir}: no report/table.csv; run seq2seq-lab report first")
    plan = read_plan(study_dir)
    where = logger_of(study_dir)
    if not where and mode is None:
        return set()
    content = read_numbers(study_dir)
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    if read_kept(study_dir).get("logged") == digest:
        return set()
    name = str(plan.get("name") or study_dir.name)
    run = WandbRun(
        project or where.get("project"),
        mode or where.get("mode"),
        entity or where.get("entity"),
        group=name[:128],
        job_type=REPORT_JOB,
        tags=[name[:64], REPORT_JOB],
        name=f"{name[:120]}-report",
    )
    before = recorded(study_dir)
    run.open(study_dir, {"report_of": name, **{k: plan[k] for k in _FACTS if k in plan}})
    run.send({"do": "study", "content": content})
    files = [str(study_dir / "report" / file) for file in REPORT_FILES]
    files = [file for file in files if Path(file).is_file()]
    artifact = {"name": f"{_plain(name)}-report", "type": "report", "copies": files}
    run.send({"do": "artifact", **artifact})
    run.close("success")
    if made := recorded(study_dir) - before:  # else it could not be started
        write_kept(study_dir, logged=digest)
    return made


def _plain(name: str) -> str:
    """Return a name that W&B takes for an artifact."""
    return "".join(c if c.isalnum() or c in "_.-" else "_" for c in name)[:100]


def read_plan(study_dir: Path) -> dict[str, Any]:
    """Return study.json. Raises `ConfigError` where there is none."""
    advice = "not the plan of a study; give the folder of a study"
    return read_json(study_dir / "study.json", ConfigError, advice)
