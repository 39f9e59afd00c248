"""What a command imports before its work: the time of a start is that of its imports, and modules can be counted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.small_runs import ROOT, TINY_RUN, tiny_run

UNUSED = (
    "torch._dynamo.eval_frame",
    "sympy",
    "matplotlib",
    "scipy",
    "torchmetrics.functional",
    "pandas",
    "wandb",
)
"""What a plain run or translation never uses; together 2 s."""
OF_TRAINING = ("pytorch_lightning", "torchmetrics", "hydra", "omegaconf", "sacrebleu", "rich")

_AT_FIRST_STEP = """
import os
from torch.optim.optimizer import register_optimizer_step_post_hook
from seq2seq_lab.commands import train

def show(*_):
    print("IMPORTED", json.dumps(sorted(sys.modules)), flush=True)
    os._exit(0)

register_optimizer_step_post_hook(show)
"""
_AT_THE_END = """
import atexit
from seq2seq_lab.inference import stored_parts

atexit.register(lambda: print("IMPORTED", json.dumps(sorted(sys.modules))))
"""


_PROGRAM = """
from seq2seq_lab.commands.dispatch import program
sys.exit(program())
"""
_STUDY = """
import atexit
atexit.register(lambda: print("IMPORTED", json.dumps(sorted(sys.modules))))
sys.path.append(sys.argv.pop())
from support.small_studies import launch
launch("-m", "study=small", "model.dim=16", "seed=1")
"""


def imported(before: str, *words: object, program: str = _PROGRAM, folder: Path = ROOT) -> set[str]:
    """Return the modules that a process has imported when `before` shows them."""
    code = f"import contextlib, json, sys\n{before}\n{program}"
    line = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(
        line, cwd=folder, capture_output=True, text=True, check=False, timeout=100
    )
    shown = [one for one in done.stdout.splitlines() if one.startswith("IMPORTED ")]
    assert shown, done.stderr
    return set(json.loads(shown[-1].removeprefix("IMPORTED ")))


def needless(found: set[str], names: tuple[str, ...]) -> list[str]:
    return [name for name in names if name in found]


def until_the_first_step(folder: object, planted: str = "") -> list[str]:
    words = ("train", *TINY_RUN, f"run_dir={folder}")
    return needless(imported(_AT_FIRST_STEP + planted, *words), UNUSED)


def of_one_translation(planted: str = "") -> list[str]:
    words = ("translate", tiny_run(), "--text", "0 1 2")
    return needless(imported(_AT_THE_END + planted, *words), UNUSED + OF_TRAINING)


def of_a_study_without_wandb(folder: Path, planted: str = "") -> list[str]:
    found = imported(planted, ROOT / "tests", program=_STUDY, folder=folder)
    assert list(folder.glob("outputs/studies/small/runs/*/done.json"))
    return needless(found, ("torch", "pytorch_lightning"))


def test_the_first_optimizer_step_needs_no_compiler_and_no_pictures(tmp_path):
    assert until_the_first_step(tmp_path / "run") == []


@pytest.mark.slow
def test_modules_that_are_not_late_are_seen(tmp_path):
    found = until_the_first_step(tmp_path / "run", "train.late_modules = contextlib.nullcontext\n")
    assert {"torch._dynamo.eval_frame", "sympy", "matplotlib", "torchmetrics.functional"} <= {
        *found
    }


def test_a_translation_needs_nothing_of_training():
    assert of_one_translation() == []


@pytest.mark.slow
def test_a_draw_on_the_meta_device_is_seen():
    planted = "stored_parts.without_normal_draws = contextlib.nullcontext\n"
    assert "torch._dynamo.eval_frame" in of_one_translation(planted)


def test_the_command_of_a_study_without_wandb_needs_no_lightning(tmp_path):
    """Its workers import it; in the command it would be 5 s of CPU per call."""
    assert of_a_study_without_wandb(tmp_path) == []


@pytest.mark.slow
def test_a_report_for_wandb_that_nobody_asked_for_is_seen(tmp_path):
    planted = "from seq2seq_lab.report import wandb_place\n"
    planted += "wandb_place.logger_of = lambda _: {'project': ''}\n"
    assert "pytorch_lightning" in of_a_study_without_wandb(tmp_path, planted)
