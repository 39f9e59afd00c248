"""A run of a study in milliseconds that leaves all that a report is drawn from; also a script: the study's command."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from hydra_plugins.seq2seq_lab_study import in_study
from seq2seq_lab.config.launch import launch
from support import small_studies
from support.study_folder import Plan, write_run


def drawn_run(cfg: Any) -> None:
    """Write the files of a run, made of its seed and width alone."""
    time.sleep(float(os.environ.get("SMALL_STUDY_SECONDS", "0")))
    share = 0.05 if cfg.model.dim == 32 else 0.3
    folder = Path(cfg.run_dir)
    write_run(folder, Plan(sentences=8), f"dim={cfg.model.dim}", cfg.seed, share, "not done yet")
    (folder / "done.json").unlink()


if __name__ == "__main__":
    import faults.study_run  # so that a worker finds the run by its module

    sys.exit(launch(faults.study_run.drawn_run, small_studies.conf(), wrap=in_study))
