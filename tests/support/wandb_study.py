"""A small study in W&B without training: runs recorded offline by real processes, beside made-up results."""

import json
import os
from pathlib import Path

import pytest

from seq2seq_lab.report.page import write_report
from seq2seq_lab.study.run import write_done
from seq2seq_lab.training.logger.wandb_run import WandbRun
from support.study_folder import Plan, write_study

PLAN = Plan(errors={"none": 0.3, "dot": 0.05}, seeds=(1, 2), sentences=20, seed_spread=0.005)
CONFIG = "training: {logger: {wandb: {project: lab, mode: offline}}}\n"


def without_account(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Let this process and its children know no W&B account and no settings of the user."""
    for name in [name for name in os.environ if name.startswith("WANDB")]:
        patch.delenv(name)
    home.mkdir(parents=True, exist_ok=True)
    patch.setenv("HOME", str(home))


def study_with_runs(place: Path, plan: Plan = PLAN) -> Path:
    """Write a study of four runs with its report; each has an offline W&B run of one row."""
    write_study(place, plan)
    open_runs = []
    for folder in sorted((place / "runs").iterdir()):
        config = folder / "config.yaml"
        config.write_text(CONFIG + config.read_text(encoding="utf-8"), encoding="utf-8")
        done = json.loads((folder / "done.json").read_text(encoding="utf-8"))
        write_done(folder, done["content_hash"], done["seconds"])
        run = WandbRun("lab", "offline")
        run.open(folder, {"study": place.name, "seed": int(folder.name.split("-s")[1][0])})
        run.log_metrics({"val/exact_match": 50.0}, 1)
        open_runs.append(run)
    for run in open_runs:
        run.close("success")
    write_report(place)
    return place
