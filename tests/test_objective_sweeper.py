"""A sweeper that searches gets the best validation value of each run, and a failed run as a failure."""

import contextlib
import importlib
import io
import json
import os
import sys
from pathlib import Path

import pytest
from hydra.core.plugins import Plugins
from hydra.core.utils import JobStatus

from hydra_plugins import seq2seq_lab_study as plugin
from hydra_plugins.seq2seq_lab_study import in_study
from seq2seq_lab.commands import train as train_command
from seq2seq_lab.config.launch import launch
from seq2seq_lab.errors import SweepError
from support.small_runs import run_script, train

SWEEPER = Path(__file__).parent / "support" / "sweeper"
NAME = "hydra_plugins.tpe_sweeper.TpeSweeper"
FAILING = "training.optimizer.lr=-1.0"
TRIALS = int(os.environ.get("SEQ2SEQ_LAB_TRIALS", "5"))
FEW = (
    "debug=tiny", "data=copy", "data.corpus.num_train=8", "data.corpus.num_val=4", "data.corpus.num_test=4",
    "training/callback=[bleu,checkpoint]", "training/logger=csv", "data.monitor=val/loss", "data.max_length=4",
)  # fmt: skip


def tpe(space: str, trials: int) -> tuple[str, ...]:
    quoted = f"hydra.sweeper.space=['{space}']"
    return (
        "-m",
        "hydra/sweeper=tpe",
        quoted,
        f"hydra.sweeper.trials={trials}",
        "hydra.sweeper.direction=minimize",
    )


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    """Run four trials, those of a negative rate fail; return the exit code, the error lines and the jobs."""
    folder = tmp_path_factory.mktemp("search")
    errors = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(errors):
        patch.syspath_prepend(SWEEPER)
        patch.chdir(folder)
        known = Plugins.instance().class_name_to_class  # those found when this process began
        if NAME not in known:
            Plugins.instance().register(
                importlib.import_module("hydra_plugins.tpe_sweeper").TpeSweeper
            )
        code = train(*tpe("training.optimizer.lr=choice(0.02,0.01,-1.0)", 4), *FEW)
    results = [json.loads(path.read_text()) for path in folder.glob("outputs/*/*/result.json")]
    return code, errors.getvalue(), known[NAME].seen, results


def test_a_sweeper_that_searches_gets_the_best_validation_value(search):
    _, _, seen, results = search
    done = [job for values, job in seen if values != [FAILING]]
    assert all(job.status == JobStatus.COMPLETED for job in done)
    assert len(done) == len(results)
    assert {job.return_value for job in done} == {found["val/loss"] for found in results}
    assert all(type(job.return_value) is float for job in done)


def test_a_failed_run_reaches_the_sweeper_as_a_failure_and_the_search_goes_on(search):
    code, errors, seen, _ = search
    failed = [job for values, job in seen if values == [FAILING]]
    assert 0 < len(failed) < len(seen) == 4
    for job in failed:
        with pytest.raises(SweepError, match=r"learning rate: -1\.0"):
            _ = job.return_value
    assert code == 8
    assert errors.splitlines()[-1].startswith(
        f"error: {4 - len(failed)} of 4 runs finished; failed: "
    )


def test_a_run_of_a_study_returns_its_value_also_when_it_is_done_already(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = []

    def noted(task):
        job = in_study(task)
        return lambda cfg: values.append(job(cfg))

    line = ["train.py", "-m", "study=s", "seed=1", *FEW]
    for start in ("first", "again"):
        if (
            start == "again"
        ):  # the sweeper would not start it: another command may have ended it meanwhile
            monkeypatch.setattr(plugin, "begin", lambda study: study.runs)
        monkeypatch.setattr(sys, "argv", line)
        assert launch(train_command.main, wrap=noted) == 0
    (result,) = tmp_path.glob("outputs/studies/s/runs/*/result.json")
    assert values == [json.loads(result.read_text())["val/loss"]] * 2


@pytest.mark.slow
def test_tune_and_a_sweeper_with_the_same_proposals_find_the_same_best_value(tmp_path):
    space, trials = "training.optimizer.lr=log(1e-4,1e-1)", TRIALS
    line = [*tpe(space, trials), *FEW]
    swept = run_script("train.py", *line, cwd=tmp_path, timeout=900, PYTHONPATH=str(SWEEPER))
    assert swept.returncode == 0, swept.stderr
    tuned = run_script(
        "scripts/tune.py", "t", "--trials", trials, space, *FEW, cwd=tmp_path, timeout=900
    )
    assert tuned.returncode == 0, tuned.stderr
    trials_of_tune = tmp_path.glob("outputs/tuning/t/trials/*/result.json")
    best = min(json.loads(path.read_text())["val/loss"] for path in trials_of_tune)
    assert f"best {best!r}" in swept.stdout.decode()
    assert f"best val/loss {best:g} of {trials} trials" in tuned.stderr.decode()
