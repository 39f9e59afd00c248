"""Saves a study's Report and workspace in W&B, the same ones each time."""

import sys
from pathlib import Path

from seq2seq_lab.errors import one_line
from seq2seq_lab.extras import missing_extra
from seq2seq_lab.report.wandb_content import read_texts
from seq2seq_lab.report.wandb_place import KEPT, project_of, read_kept, write_kept
from seq2seq_lab.training.logger.wandb_request import ask
from seq2seq_lab.training.logger.wandb_run import PROJECT
from seq2seq_lab.training.logger.wandb_session import stored_run

_SECONDS = 120.0


def publish(study_dir: Path, seconds: float = _SECONDS) -> str | None:
    """Save the Report of a study whose runs are in W&B and return its address; a failure costs one line.

    Entity and project are those of the runs' addresses, else those of the study's own run.
    """
    try:
        return _publish(study_dir, seconds)
    except Exception as error:
        again = f"seq2seq-lab sync {study_dir} tries again"
        if (study_dir / KEPT).is_file() and read_kept(study_dir).get("report"):
            again += f"; if the old one was deleted, delete {study_dir / KEPT} before"
        _warn(f"no Report of the study: {error}; {again}")
        return None


def _publish(study_dir: Path, seconds: float) -> str | None:
    if missing := missing_extra("workspaces"):
        _warn(f"no Report of the study: {missing}")
        return None
    own = stored_run(study_dir / "wandb")
    entity, project = project_of(study_dir) or (own.get("entity"), own.get("project"))
    request = {
        "do": "report",
        "entity": entity,
        "project": project or PROJECT,
        "content": read_texts(study_dir),
        "kept": read_kept(study_dir),
    }
    saved = ask(request, seconds)
    write_kept(study_dir, **saved)
    _warn(f"report at {saved['url']}")
    return str(saved["url"])


def _warn(text: str) -> None:
    print(one_line(f"W&B: {text}"), file=sys.stderr)  # noqa: T201
