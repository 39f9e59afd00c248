"""Where runs and studies lie in W&B: their offline folders, their ids, and the addresses that the server gave them."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from seq2seq_lab.errors import DataError
from seq2seq_lab.files import write_json
from seq2seq_lab.stored_text import read_json, read_yaml
from seq2seq_lab.training.logger.wandb_session import stored_run
from seq2seq_lab.training.manifest import read_manifest

KEPT = Path("wandb") / "report.json"
"""Of a study: what was logged, and which Report and workspace are saved again the next time."""


def offline_runs(folder: Path) -> list[Path]:
    """Return the offline W&B runs of a run, of a folder of runs, or of a study and all its runs, oldest first."""
    patterns = ("wandb", "*/wandb", "runs/*/wandb")
    found = [path for pattern in patterns for path in folder.glob(f"{pattern}/offline-run-*")]
    return sorted((path for path in found if path.is_dir()), key=lambda path: path.name)


def recorded(run_dir: Path) -> set[str]:
    """Return the names of the folders that W&B made for one run, offline or online."""
    return {path.name for path in (run_dir / "wandb").glob("*run-*") if path.is_dir()}


def id_of(offline: Path) -> str:
    """Return the W&B id of an offline run: offline-run-DATE_TIME-ID."""
    return offline.name.split("-", 3)[-1]


def run_dir_of(offline: Path) -> Path:
    """Return the folder of the run, or of the study, that an offline run belongs to."""
    return offline.parent.parent


def is_sent(offline: Path) -> bool:
    """Return whether `wandb sync` marked an offline run as sent."""
    return any(offline.glob("*.wandb.synced"))


def logger_of(study_dir: Path) -> dict[str, Any]:
    """Return the logger's settings of the first run that has any."""
    for path in sorted(study_dir.glob("runs/*/config.yaml")):
        training = read_yaml(path, DataError, "run the study's command again").get("training")
        found = training.get("logger") if isinstance(training, dict) else None
        # a run of before several loggers has the settings themselves
        of_wandb = found.get("wandb", found) if isinstance(found, dict) else None
        if isinstance(of_wandb, dict) and "project" in of_wandb:
            return of_wandb
    return {}


def url_of(run_dir: Path) -> str | None:
    """Return where W&B shows a run, by its manifest."""
    found = (read_manifest(run_dir / "manifest.json") or {}).get("wandb")
    url = found.get("url") if isinstance(found, dict) else None
    return url if isinstance(url, str) else None


def project_of(study_dir: Path) -> tuple[str, str] | None:
    """Return entity and project of the first run whose address is known: BASE/ENTITY/PROJECT/runs/ID."""
    urls = [url_of(folder) for folder in sorted(study_dir.glob("runs/*"))]
    for url in filter(None, [*urls, stored_run(study_dir / "wandb").get("url")]):
        parts = urlsplit(str(url)).path.strip("/").split("/")
        if len(parts) >= 4 and parts[-2] == "runs":
            return parts[-4], parts[-3]
    return None


def read_kept(study_dir: Path) -> dict[str, Any]:
    """Return what <study_dir>/wandb/report.json keeps; nothing where there is none."""
    path = study_dir / KEPT
    return read_json(path, DataError, "delete it, a new Report is made") if path.is_file() else {}


def write_kept(study_dir: Path, **facts: Any) -> None:
    """Add facts to what is kept."""
    kept = read_kept(study_dir) | facts
    (study_dir / KEPT).parent.mkdir(exist_ok=True)
    write_json(study_dir / KEPT, kept)
