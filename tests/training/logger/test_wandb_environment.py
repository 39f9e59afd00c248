"""Which settings win: the config, then W&B's environment variables, then what the run and its study say."""

import pytest

from seq2seq_lab.training.logger import wandb_environment as environment
from seq2seq_lab.training.logger.wandb_run import WandbRun

CONFIG = {"name": "lstm", "seed": 1}
STUDY = {**CONFIG, "study": "cells", "arm": "gru"}
VARIABLES = {
    "WANDB_PROJECT": "p", "WANDB_ENTITY": "e", "WANDB_NAME": "n", "WANDB_RUN_GROUP": "g", "WANDB_JOB_TYPE": "j",
    "WANDB_NOTES": "o", "WANDB_TAGS": "a, b,", "WANDB_RUN_ID": "i",
}  # fmt: skip
GIVEN = {
    "project": "p2", "entity": "e2", "name": "n2", "group": "g2", "job_type": "j2", "notes": "o2", "tags": ["c"],
}  # fmt: skip


@pytest.mark.parametrize("config", [CONFIG, STUDY])
def test_the_environment_wins_over_what_we_choose_and_the_config_over_both(
    tmp_path, monkeypatch, config
):
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    found = WandbRun().options(tmp_path, config)
    wanted = {"project": "p", "entity": "e", "name": "n", "group": "g", "job_type": "j"}
    wanted |= {"notes": "o", "tags": ["a", "b"], "id": "i"}
    assert {key: found[key] for key in wanted} == wanted
    found = WandbRun(**GIVEN).options(tmp_path, config)
    assert {key: found[key] for key in GIVEN} == GIVEN


def test_one_id_for_all_runs_of_a_sweep_is_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_RUN_ID", "i")
    (tmp_path / "manifest.json").write_text('{"sweep": "2026-11-28_12-00-00"}')
    assert WandbRun().options(tmp_path, CONFIG)["id"] is None
    assert "WANDB_RUN_ID is left out" in capsys.readouterr().err


def test_without_both_our_own_labels_stand(tmp_path):
    found = WandbRun().options(tmp_path, STUDY)
    assert (found["project"], found["entity"], found["group"]) == ("seq2seq-lab", None, "cells")
    assert (found["mode"], found["notes"], found["id"]) == (None, None, None)


@pytest.mark.parametrize(
    ("given", "variables", "mode"),
    [
        (None, {}, None),
        (None, {"WANDB_MODE": "offline"}, "offline"),
        (None, {"WANDB_MODE": "dryrun"}, "offline"),
        (None, {"WANDB_MODE": "run"}, "online"),
        (None, {"WANDB_MODE": "shared"}, "online"),
        (None, {"WANDB_MODE": "disabled"}, "disabled"),
        (None, {"WANDB_DISABLED": "true", "WANDB_MODE": "online"}, "disabled"),
        (None, {"WANDB_DISABLED": "false"}, None),
        (None, {"WANDB_SWEEP_ID": "s"}, "online"),
        (None, {"WANDB_SWEEP_ID": "s", "WANDB_MODE": "offline"}, "offline"),
        ("offline", {"WANDB_MODE": "online", "WANDB_DISABLED": "true"}, "offline"),
        ("online", {"WANDB_MODE": "disabled"}, "online"),
    ],
)
def test_the_mode(monkeypatch, given, variables, mode):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert environment.mode(given) == mode


def test_a_mode_that_wandb_does_not_know_costs_one_line(monkeypatch, capsys):
    monkeypatch.setenv("WANDB_MODE", "onlin")
    assert environment.mode(None) is None
    (line,) = capsys.readouterr().err.splitlines()
    assert "WANDB_MODE='onlin' is none of online" in line


def test_a_disabled_run_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_DISABLED", "true")
    logger = WandbRun()
    logger.open(tmp_path, CONFIG)
    assert logger._process is None
    assert list(tmp_path.iterdir()) == []
