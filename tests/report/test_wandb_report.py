"""A study in Weights & Biases, written offline by real processes and read back from the .wandb files."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest

from seq2seq_lab.commands import sync as sync_command
from seq2seq_lab.commands.dispatch import carry_out
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.report.wandb_report import log_study, offline_runs, read_table
from seq2seq_lab.training.logger.wandb_labels import Labels, labels
from support.small_runs import train

ARM = "attention=dot, order=after"
RUN = "attention_dot-order_after-s3-0123abcd"
FEW = (
    "debug=tiny", "data=copy", "data.max_pairs=8", "data.corpus.num_train=16", "data.corpus.num_val=8",
    "data.corpus.num_test=8", "training.trainer.max_epochs=2",
)  # fmt: skip
TABLE = 'arm,runs,test/bleu,p\n"attention=none",3,8.25,\n"attention=dot, order=after",3,99.5,0.01\n'


def make_study(folder: Path) -> Path:
    plan = {
        "name": "study one", "factors": {"model/attention": ["none", "dot"]}, "seeds": [3], "fixed": [],
        "metric": "test/bleu", "runs": [{"run": RUN, "arm": ARM, "seed": 3}],
    }  # fmt: skip
    (folder / "report").mkdir(parents=True)
    (folder / "study.json").write_text(json.dumps(plan))
    (folder / "report" / "table.csv").write_text(TABLE)
    (folder / "report" / "index.html").write_text("<p>the report</p>")
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = make_study(tmp_path_factory.mktemp("studies") / "one")
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("WANDB")]:
            patch.delenv(name)
        patch.setenv("HOME", str(folder / "home"))
        run = folder / "runs" / RUN
        keys = (
            "study='study one'",
            "seed=3",
            "training.logger.wandb.project=lab",
            f"run_dir={run}",
        )
        assert train(*FEW, "model/attention=dot", *keys) == 0
        log_study(folder)
    return folder


@functools.cache
def records(run: Path) -> list[dict]:
    line = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(run)]
    printed = subprocess.run(line, capture_output=True, check=True, text=True).stdout
    return [json.loads(line) for line in printed.splitlines()]


def of_kind(found: list[dict], kind: str) -> list[dict]:
    return [record[kind] for record in found if record["type"] == kind]


def summary(found: list[dict]) -> dict:
    return {k: v for one in of_kind(found, "summary") for k, v in one["update"].items()}


def test_a_run_is_in_the_group_of_its_study_under_its_arm(study):
    found = records(offline_runs(study)[0])
    run = of_kind(found, "run")[0]
    assert (run["run_group"], run["job_type"], run["project"]) == ("study one", ARM, "lab")
    assert run["tags"] == ["study one", ARM]
    assert run["display_name"] == f"{ARM}-s3"
    config = run["config"]["update"]
    assert (config["seed"], config["model"]["dim"]) == (3, 16)


def test_a_run_ends_with_its_final_numbers(study):
    found = records(offline_runs(study)[0])
    result = json.loads((study / "runs" / RUN / "result.json").read_text())
    shown = summary(found)
    for name in ("test/bleu", "val/bleu", "test/loss", "attention/entropy"):
        assert shown[name] == pytest.approx(result[name])


def test_validation_metrics_are_summed_up_by_their_best(study):
    defined = {
        m["name"]: m for m in of_kind(records(offline_runs(study)[0]), "metric") if "name" in m
    }
    assert defined["val/bleu"]["summary"] == {"max": True}
    assert defined["val/loss"]["summary"] == {"min": True}
    assert defined["val/bleu"]["step_metric"] == "step"
    assert not any(name.startswith("test/") for name in defined)


def test_the_study_has_a_run_with_its_table(study):
    run = offline_runs(study)[1]
    assert run.parent.parent == study
    found = records(run)
    facts = of_kind(found, "run")[0]
    assert (facts["run_group"], facts["job_type"], facts["project"]) == (
        "study one",
        "report",
        "lab",
    )
    assert facts["display_name"] == "study one-report"
    table = json.loads((run / "files" / summary(found)["comparison.path"]).read_text())
    assert table["columns"] == ["arm", "runs", "test/bleu", "p"]
    assert table["data"] == [["attention=none", 3, 8.25, None], [ARM, 3, 99.5, 0.01]]


def test_the_report_is_an_artifact(study):
    run = offline_runs(study)[1]
    artifacts = {a["name"]: a for a in of_kind(records(run), "artifact")}
    report = artifacts["study_one-report"]
    assert report["type"] == "report"
    text = json.dumps(report)
    assert "index.html" in text
    assert "table.csv" in text
    kept = [p.read_bytes() for p in study.rglob("wandb/data/**/*") if p.is_file()]
    assert b"<p>the report</p>" in kept  # `wandb sync` finds the file later


def test_labels_that_a_user_chose_stay(tmp_path):
    chosen = Labels("mine", "group", "job", ["tag"])
    assert labels(chosen, tmp_path, {"study": "s", "arm": "a", "seed": 1}) == chosen


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"name": "lstm_copy", "seed": 1}, Labels("lstm_copy", None, "train", [])),
        ({}, Labels("run", None, "train", [])),
        ({"study": "s", "arm": "a", "seed": 2}, Labels("a-s2", "s", "a", ["s", "a"])),
        ({"study": "s", "name": "n", "seed": 2}, Labels("n-s2", "s", "n", ["s", "n"])),
    ],
)
def test_labels_that_nobody_chose(tmp_path, config, expected):
    assert labels(Labels("", None, "", []), tmp_path / "run", config) == expected


def test_long_names_are_cut_as_wandb_wants(tmp_path):
    found = labels(
        Labels("", None, "", []), tmp_path, {"study": "s" * 300, "arm": "a" * 300, "seed": 12}
    )
    assert max(map(len, found.tags)) == 64
    assert max(map(len, (found.name, found.group, found.job_type))) <= 128
    assert found.name.endswith("-s12")


def test_a_table_with_text_in_a_column_keeps_it(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,x\n2,3\n")
    assert read_table(tmp_path / "t.csv") == (["a", "b"], [[1.0, "x"], [2.0, "3"]])


def test_a_study_without_wandb_gets_no_run(tmp_path):
    folder = make_study(tmp_path / "two")
    (folder / "runs" / RUN).mkdir(parents=True)
    (folder / "runs" / RUN / "config.yaml").write_text(
        "training:\n  logger:\n    _target_: OnlyCsv\n"
    )
    log_study(folder)
    assert offline_runs(folder) == []


def test_a_folder_without_a_report_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"no report/table.csv"):
        log_study(tmp_path)
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "table.csv").write_text(TABLE)
    with pytest.raises(ConfigError, match="not the plan of a study"):
        log_study(tmp_path)


def sync(capsys, *arguments):
    lines = []

    def run(line, **_):
        lines.append(line)
        return subprocess.CompletedProcess(line, 1 if "--entity" in line else 0)

    with mock.patch.object(sync_command.subprocess, "run", run):
        code = carry_out(["sync", *map(str, arguments)])
    return code, lines, capsys.readouterr().err


def test_all_runs_are_sent_by_one_command(study, capsys):
    code, lines, _ = sync(capsys, study, "--project", "other")
    assert code == 0
    (line,) = lines
    assert line[1:6] == ["-P", "-m", "wandb", "sync", "--yes"]
    assert line[6:8] == ["--project", "other"]
    assert line[8:] == [str(run) for run in offline_runs(study)]
    assert len(offline_runs(study)) == 2  # the report is not newer than its run


def test_a_failing_upload_and_an_empty_study_are_reported(study, capsys, tmp_path):
    assert "ended with code 1" in sync(capsys, study, "--entity", "team")[2]
    code, lines, err = sync(capsys, tmp_path / "none")
    assert (code, lines) == (2, [])
    assert "no study there" in err
    (tmp_path / "study.json").write_text("{}")
    code, _, err = sync(capsys, tmp_path)
    assert code == 3
    assert "no W&B runs" in err


def test_the_real_command_lists_the_runs_without_an_account(study, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    line = [
        sys.executable,
        "-m",
        "wandb",
        "sync",
        "--yes",
        "--dry-run",
        *map(str, offline_runs(study)),
    ]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("ignore:Pydantic V1")
def test_the_workspace_shows_the_runs_of_the_study_by_arm(monkeypatch):
    import wandb_workspaces.workspaces as ws

    from seq2seq_lab.training.logger.wandb_process import make_workspace

    saved = []
    monkeypatch.setattr(ws.Workspace, "save", lambda self: saved.append(self))
    for mode in ("offline", "online"):
        settings = SimpleNamespace(mode=mode)
        run = SimpleNamespace(settings=settings, entity="team", project="lab")
        make_workspace(run, "one", "test/chrf")
    (found,) = saved
    assert (found.entity, found.project, found.name) == ("team", "lab", "one")
    assert found.runset_settings.filters == "Metric('Group') == 'one'"
    assert [group.name for group in found.runset_settings.groupby] == ["JobType"]
    assert [panel.title for panel in found.sections[0].panels] == [
        "test/chrf", "val/chrf", "val/loss", "train/loss",
    ]  # fmt: skip
