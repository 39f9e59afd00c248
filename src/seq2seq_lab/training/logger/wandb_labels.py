"""Name, group, job type and tags of a run in Weights & Biases; a run of a study is grouped with its study."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq_lab.stored_text import parse_json

_LONGEST, _LONGEST_TAG = 128, 64
"""Characters that W&B takes."""


@dataclass(frozen=True)
class Labels:
    """The labels by which W&B sorts runs."""

    name: str
    group: str | None
    job_type: str
    tags: list[str]


def labels(chosen: Labels, run_dir: Path, config: dict[str, Any]) -> Labels:
    """Return the labels that the user chose, completed; an empty one is not chosen.

    A run of a study gets the study as its group, its arm as job type, both as tags, and the name `<arm>-s<seed>`.
    """
    study = config.get("study")
    if not study:
        name = chosen.name or str(config.get("name") or run_dir.name)
        return Labels(name, chosen.group, chosen.job_type or "train", chosen.tags)
    arm = str(config.get("arm") or arm_of(run_dir) or config.get("name") or "train")
    return Labels(
        name=chosen.name or f"{arm[: _LONGEST - 12]}-s{config.get('seed')}",
        group=chosen.group or str(study)[:_LONGEST],
        job_type=chosen.job_type or arm[:_LONGEST_TAG],
        tags=chosen.tags or [str(study)[:_LONGEST_TAG], arm[:_LONGEST_TAG]],
    )


def arm_of(run_dir: Path) -> str | None:
    """Return the arm of a run by the study.json two folders above it; None where there is none."""
    try:
        plan = parse_json((run_dir.parent.parent / "study.json").read_text(encoding="utf-8"))
        return next(str(run["arm"]) for run in plan["runs"] if run["run"] == run_dir.name)
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return None
