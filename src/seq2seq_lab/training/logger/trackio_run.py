"""The trackio logger: a free dashboard on this machine, without an account."""

from pathlib import Path
from typing import Any

from seq2seq_lab.training.logger.process_logger import ProcessLogger
from seq2seq_lab.training.logger.wandb_labels import Labels, arm_of, labels, with_choices


class TrackioRun(ProcessLogger):
    """Writes a run to trackio from a process of its own (trackio_process.py); `trackio show` draws it.

    Needs the extra `trackio`. All lies on this machine: in `folder`, else where trackio puts it (TRACKIO_DIR, or
    trackio/ in Hugging Face's cache). A run is grouped with its study. A resumed run goes on where it was; what is
    stored of it is not stored again. Metric names are those of metrics.csv, trackio's step is the training step.
    """

    title, package = "trackio", "trackio"
    script, folder_name = "trackio_process.py", "trackio"

    def __init__(
        self,
        project: str = "seq2seq-lab",
        group: str | None = None,
        folder: str | None = None,
        init_timeout: int = 30,
        finish_timeout: int = 60,
    ):
        super().__init__(init_timeout, finish_timeout)
        if not any(c.isalnum() for c in project):
            raise ValueError(
                f"project={project!r}: must have a letter or a digit, for trackio names a file by it"
            )
        self.project, self.group, self.folder = project, group, folder

    def options(self, run_dir: Path, config: dict[str, Any]) -> dict[str, Any] | None:
        """Return the labels of the run and its config, with what runs can be grouped by at its top."""
        chosen = labels(Labels("", self.group, "", []), run_dir, config)
        return {
            "project": self.project,
            "name": chosen.name,
            "group": chosen.group,
            "config": {**_facts(run_dir, config), **config},
            "trackio_dir": self.folder and str(Path(self.folder).resolve()),
        }


def _facts(run_dir: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Return what the dashboard can group runs by: single values, which nested ones are not."""
    choices = with_choices({}, run_dir).get("choices", {})
    named = {f"choice/{group}": option for group, option in choices.items()}
    arm = config.get("arm") or arm_of(run_dir)
    return {**named, **({"arm": arm} if arm else {})}
