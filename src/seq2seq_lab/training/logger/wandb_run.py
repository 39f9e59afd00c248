"""The Weights & Biases logger."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning.utilities.rank_zero import rank_zero_only

from seq2seq_lab.errors import UserError
from seq2seq_lab.training.logger import wandb_environment as environment
from seq2seq_lab.training.logger.process_logger import ProcessLogger
from seq2seq_lab.training.logger.wandb_labels import Labels, labels, manifest_of
from seq2seq_lab.training.logger.wandb_session import stored_run
from seq2seq_lab.training.run_folder import add_to_manifest

PROJECT = "seq2seq-lab"


class WandbRun(ProcessLogger):
    """Sends a run to Weights & Biases from a process of its own (wandb_process.py), so that training never waits.

    What is null is chosen by W&B's environment variables, else by default: the mode is online in a sweep agent or with
    a key, offline otherwise, with all files under <run_dir>/wandb; labels come from the run and its study. A run keeps
    its id over all its sessions. `online` falls back to offline with one warning when there is no key or no answer
    within `init_timeout` seconds. `close` waits `finish_timeout` seconds at most. Metric names are those of metrics.csv
    and W&B's step is the row's index there; `step` is the x axis; the summary of a validation metric is the best so
    far, until `log_summary` gives the final numbers.
    """

    title, package = "W&B", "wandb"
    script, folder_name = "wandb_process.py", "wandb"

    def __init__(
        self,
        project: str | None = None,
        mode: Literal["offline", "online", "disabled"] | None = None,
        entity: str | None = None,
        group: str | None = None,
        job_type: str | None = None,
        tags: list[str] | None = None,
        name: str | None = None,
        notes: str | None = None,
        init_timeout: int = 30,
        finish_timeout: int = 60,
    ):
        super().__init__(init_timeout, finish_timeout)
        if mode not in (None, "offline", "online", "disabled"):
            raise ValueError(f"mode={mode!r}: must be offline, online, disabled or null")
        if project == "":
            raise ValueError("project='': must not be empty; training/logger=csv logs without W&B")
        self.mode = mode
        self._labels = {"project": project, "entity": entity, "name": name, "notes": notes}
        self._labels |= {"group": group, "job_type": job_type}
        self._tags = list(tags or [])

    @property
    def name(self) -> str:
        """The W&B project."""
        return environment.label("project", self._labels["project"]) or PROJECT

    def options(self, run_dir: Path, config: dict[str, Any]) -> dict[str, Any] | None:
        """Return the settings of the run; None when it is disabled."""
        mode = environment.mode(self.mode)
        if mode == "disabled":
            return None
        given = environment.chosen({**self._labels, "tags": self._tags})
        if given["id"] and manifest_of(run_dir).get("sweep"):
            self.warn("WANDB_RUN_ID is left out: the runs of a sweep cannot have the same id")
            given["id"] = None
        chosen = Labels(given["name"] or "", given["group"], given["job_type"] or "", given["tags"])
        found = {**given, "project": self.name, "mode": mode, "is_in_agent": environment.in_agent()}
        process = {"pid": os.getpid(), "argv": sys.argv}
        return {**found, **asdict(labels(chosen, run_dir, config)), **process}

    @rank_zero_only
    def close(self, status: str = "failed") -> None:
        """Finish the run, in bounded time, and store in the manifest where it is."""
        was_open = self._process is not None
        super().close(status)
        if not was_open or not (self._folder.parent / "manifest.json").is_file():
            return
        run = stored_run(self._folder)
        facts = {key: run[key] for key in ("id", "url") if run.get(key)}
        try:
            add_to_manifest(self._folder.parent, {"wandb": facts} if facts else {})
        except UserError as error:
            self.warn(f"the manifest does not say where the run is ({error})")
