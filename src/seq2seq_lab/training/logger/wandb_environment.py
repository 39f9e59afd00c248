"""The environment variables of Weights & Biases, as far as they choose labels, mode and id of a run.

A value of the config comes first, then the variable, then our default.
"""

import os
import sys
from typing import Any

MODES = {
    "online": "online", "run": "online", "shared": "online", "offline": "offline", "dryrun": "offline",
    "disabled": "disabled",
}  # fmt: skip
"""Our mode for each that W&B knows; a run has one process that writes, so `shared` is nothing special."""

VARIABLES = {
    "project": "WANDB_PROJECT", "entity": "WANDB_ENTITY", "name": "WANDB_NAME", "group": "WANDB_RUN_GROUP",
    "job_type": "WANDB_JOB_TYPE", "notes": "WANDB_NOTES",
}  # fmt: skip


def label(key: str, given: str | None) -> str | None:
    """Return a label of the config, or of the environment, or None; an empty one is none."""
    return given or os.environ.get(VARIABLES[key], "").strip() or None


def tags(given: list[str] | None) -> list[str]:
    """Return the tags of the config, or those of WANDB_TAGS, separated by commas."""
    return list(given or []) or [
        tag for tag in map(str.strip, os.environ.get("WANDB_TAGS", "").split(",")) if tag
    ]


def mode(given: str | None) -> str | None:
    """Return the mode that the config or the environment chooses; None leaves it to the child, which looks for a key.

    A mode that W&B does not know costs one line and counts as none.
    """
    if given is not None:
        return given
    if os.environ.get("WANDB_DISABLED", "").strip().lower() in ("true", "1", "yes", "on"):
        return "disabled"
    chosen = os.environ.get("WANDB_MODE", "").strip().lower()
    if chosen in MODES:
        return MODES[chosen]
    if chosen:
        known = ", ".join(MODES)
        sys.stderr.write(f"W&B: WANDB_MODE={chosen!r} is none of {known}; it is left out\n")
    return "online" if in_agent() else None


def in_agent() -> bool:
    """Return whether a sweep agent of W&B started this process."""
    return bool(os.environ.get("WANDB_SWEEP_ID"))


def chosen(config: dict[str, Any]) -> dict[str, Any]:
    """Return labels and id by config and environment; None is not chosen."""
    found: dict[str, Any] = {key: label(key, config.get(key)) for key in VARIABLES}
    return {**found, "tags": tags(config.get("tags")), "id": os.environ.get("WANDB_RUN_ID") or None}
