"""Name, group, job type, tags and choices of a run in Weights & Biases, by which people sort and group runs.

What Hydra chose comes from the run's manifest, which is written before the loggers open.
"""

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq_lab.config.keys import RECORDING, is_below
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

    A run gets the name `<config name>-s<seed>` and its overrides in short form, the sweep it belongs to as its group,
    and model, data and overrides as tags. A run of a study gets the study as its group, its arm as job type, both as
    tags, and the name `<arm>-s<seed>`.
    """
    study = config.get("study")
    if not study:
        return _of_plain_run(chosen, run_dir, config)
    arm = str(config.get("arm") or arm_of(run_dir) or config.get("name") or "train")
    return Labels(
        name=chosen.name or f"{arm[: _LONGEST - 12]}-s{config.get('seed')}",
        group=chosen.group or str(study)[:_LONGEST],
        job_type=chosen.job_type or arm[:_LONGEST_TAG],
        tags=chosen.tags or [str(study)[:_LONGEST_TAG], arm[:_LONGEST_TAG]],
    )


def with_choices(config: dict[str, Any], run_dir: Path) -> dict[str, Any]:
    """Return the config with `choices`, the options of its groups under short names, to group runs by."""
    found = choices_by_short_name(manifest_of(run_dir).get("choices"))
    return {**config, "choices": found} if found else config


def choices_by_short_name(choices: Any) -> dict[str, Any]:
    """Return the options by the last part of their groups (`cell` of `model/cell`) where only one group has it.

    The other groups keep their path. No name holds a dot: W&B reads a dot as a step into a nested config.
    """
    choices = choices if isinstance(choices, dict) else {}
    last = Counter(_last_part(group) for group in choices)
    names = {g: _last_part(g) if last[_last_part(g)] == 1 else g.replace(".", "/") for g in choices}
    return {names[group]: option for group, option in choices.items()}


def arm_of(run_dir: Path) -> str | None:
    """Return the arm of a run by the study.json two folders above it; None where there is none."""
    try:
        plan = parse_json((run_dir.parent.parent / "study.json").read_text(encoding="utf-8"))
        return next(str(run["arm"]) for run in plan["runs"] if run["run"] == run_dir.name)
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return None


def manifest_of(run_dir: Path) -> dict[str, Any]:
    """Return the manifest of a run, {} where there is none: labels are no reason to stop."""
    try:
        found = parse_json((run_dir / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _of_plain_run(chosen: Labels, run_dir: Path, config: dict[str, Any]) -> Labels:
    manifest = manifest_of(run_dir)
    choices, sweep = manifest.get("choices") or {}, manifest.get("sweep")
    name = str(config.get("name") or run_dir.name)
    is_usual = name == f"{choices.get('model')}_{choices.get('data')}"
    short = _short(_worth_naming(manifest, ("model", "data") if is_usual else ()))
    seeded = f"{name}-s{config['seed']}" if "seed" in config else name
    tags = [str(choices[group]) for group in ("model", "data") if group in choices] + short
    return Labels(
        name=chosen.name or _cut(" ".join([seeded, *short]), _LONGEST),
        group=chosen.group or (f"sweep {sweep}"[:_LONGEST] if sweep else None),
        job_type=chosen.job_type or "train",
        tags=chosen.tags or list(dict.fromkeys(_cut(tag, _LONGEST_TAG) for tag in tags)),
    )


def _worth_naming(manifest: dict[str, Any], named: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return (key, value) of the overrides that the name does not hold yet; first those that a sweep chose.

    What a sweep chose is not a word of its command. A key that says where a run is recorded counts only then.
    """
    command = (manifest.get("command") or []) if manifest.get("sweep") else None
    chosen, fixed = [], []
    for word in map(str, manifest.get("overrides") or []):
        key, equals, value = word.partition("=")
        key = key.lstrip("+")
        if key in ("seed", "name", *named):
            continue
        if command is not None and word not in command:
            chosen.append((key, f"{equals}{value}"))
        elif not is_below(key.replace("/", "."), RECORDING):
            fixed.append((key, f"{equals}{value}"))
    return chosen + fixed


def _short(overrides: list[tuple[str, str]]) -> list[str]:
    """Return `lr=0.001` for `training.optimizer.lr=0.001`, the whole key where two end alike."""
    last = Counter(_last_part(key) for key, _ in overrides)
    return [
        (_last_part(key) if last[_last_part(key)] == 1 else key) + value for key, value in overrides
    ]


def _last_part(key: str) -> str:
    return key if key.startswith("~") else re.split(r"[./@]", key)[-1]


def _cut(text: str, longest: int) -> str:
    """Return the text; a too long one is cut and ends with a hash of all of it, so that it stays distinct."""
    if len(text) <= longest:
        return text
    return f"{text[: longest - 9]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
