"""What Hydra knows of the job of this process: the options that were chosen, the overrides, and the sweep."""

from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from seq2seq_lab.config.loader import FURTHER
from seq2seq_lab.config.search_path import with_config_dir


def job_folders() -> list[str]:
    """Return the overrides that add to conf/ the folders which the command line of the running job added."""
    sources = HydraConfig.get().runtime.config_sources
    folders = [source.path for source in sources if source.provider == FURTHER]
    return [override for folder in folders for override in with_config_dir(folder, [])]


def job_facts() -> dict[str, Any]:
    """Return the facts of the running job, as the manifest stores them.

    `choices` are the options of the config groups by group (`model/attention`: `dot`), without those of Hydra itself;
    `overrides` are the words of the job, those that a sweep chose included; `sweep` names the sweep, null without one.
    """
    settings = HydraConfig.get()
    choices = {
        group: option
        for group, option in settings.runtime.choices.items()
        if not group.startswith("hydra/") and option is not None
    }
    is_sweep = settings.mode == RunMode.MULTIRUN
    return {
        "choices": dict(sorted(choices.items())),
        "overrides": list(settings.overrides.task),
        "sweep": Path(settings.sweep.dir).name if is_sweep else None,
    }
