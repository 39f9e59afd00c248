"""A study in Weights & Biases, written offline by real processes and read back from the .wandb files."""

import csv
import functools
import json
import shutil
from pathlib import Path

import pytest

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.report.page import write_report
from seq2seq_lab.report.records import read_records
from seq2seq_lab.report.wandb_content import table_of as table_of_csv
from seq2seq_lab.report.wandb_place import offline_runs
from seq2seq_lab.report.wandb_report import log_study
from seq2seq_lab.training.logger.wandb_labels import Labels, labels
from support import wandb_files
from support.small_runs import train
from support.study_folder import write_study
from support.wandb_study import PLAN, without_account

ARM = "attention=dot, order=after"
RUN = "attention_dot-order_after-s3-0123abcd"
FEW = (
    "debug=tiny", "data=copy", "data.max_pairs=8", "data.corpus.num_train=16", "data.corpus.num_val=8",
    "data.corpus.num_test=8", "training.trainer.max_epochs=2",
)  # fmt: skip


def make_study(folder: Path) -> Path:
    plan = {
        "name": "study one", "factors": {"model/attention": ["none", "dot"]}, "seeds": [3], "fixed": [],
        "metric": "test/bleu", "runs": [{"run": RUN, "arm": ARM, "seed": 3}],
    }  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "study.json").write_text(json.dumps(plan))
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = make_study(tmp_path_factory.mktemp("studies") / "one")
    with pytest.MonkeyPatch.context() as patch:
        without_account(patch, folder / "home")
        run = folder / "runs" / RUN
        keys = (
            "study='study one'",
            "seed=3",
            "training.logger.wandb.project=lab",
            f"run_dir={run}",
        )
        assert train(*FEW, "model/attention=dot", *keys) == 0
    return folder


records = functools.cache(wandb_files.records)


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


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """A study of two arms whose own run was recorded offline."""
    folder = write_study(tmp_path_factory.mktemp("logged") / "study one", PLAN)
    write_report(folder)
    with pytest.MonkeyPatch.context() as patch:
        without_account(patch, folder.parent / "home")
        assert {name[:12] for name in log_study(folder, "offline", "lab")} == {"offline-run-"}
        assert log_study(folder, "offline", "lab") == set()  # nothing new
    return folder


def test_the_study_has_a_run_of_its_own(logged):
    (run,) = offline_runs(logged)
    (facts,) = wandb_files.contents(run, "run")[:1]
    assert (facts["run_group"], facts["job_type"], facts["project"]) == (
        "study one",
        "report",
        "lab",
    )
    assert facts["display_name"] == "study one-report"


def table_of(run: Path, name: str) -> dict:
    return wandb_files.stored_table(run, summary(records(run))[f"{name}.path"])


def arms_are_those_of_the_report(folder: Path) -> None:
    """Law: W&B's table of arms has the numbers of table.csv, cell by cell."""
    with (folder / "report" / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    table = table_of(offline_runs(folder)[0], "arms")
    assert table["columns"] == ["arm", "runs", "mean", "low", "high"]
    assert table["data"] == [
        [row["arm"], int(row["num_seeds"]), *(float(row[k]) for k in ("mean", "low", "high"))]
        for row in rows
    ]


def test_the_arms_are_a_table_with_means_and_intervals(logged):
    arms_are_those_of_the_report(logged)


def test_the_means_are_a_chart_of_data(logged):
    (run,) = offline_runs(logged)
    table = table_of(run, "arms/means_table")
    assert [row[:1] for row in table["data"]] == [["attention=none"], ["attention=dot"]]
    assert any("wandb/bar/v0" in json.dumps(record) for record in records(run))


def test_the_curves_are_means_over_seeds_by_epoch(logged):
    table = table_of(offline_runs(logged)[0], "arms/curves_table")
    assert table["columns"] == ["step", "lineKey", "lineVal"]
    found = {(row[1], row[0]): row[2] for row in table["data"]}
    runs = read_records(logged).arms["attention=dot"]
    last = [run.result["val/exact_match"] for run in runs]
    assert found["attention=dot", 3] == pytest.approx(sum(last) / len(last))
    assert sorted(found) == [(f"attention={arm}", x) for arm in ("dot", "none") for x in (1, 2, 3)]


def test_the_comparisons_are_a_table(logged):
    table = table_of(offline_runs(logged)[0], "comparisons")
    column = table["columns"].index("p_holm")
    first = table["data"][0]
    assert first[:2] == ["test/exact_match", "attention=dot"]
    assert 0.0 < first[column] <= 1.0


def test_the_intervals_are_a_picture_that_needs_nothing_from_outside(logged):
    (run,) = offline_runs(logged)
    (page,) = (run / "files" / "media" / "html").rglob("*.html")
    text = page.read_text(encoding="utf-8")
    assert text.count('class="bar"') == 2
    assert "<script" not in text
    assert "http" not in text


def test_the_report_is_an_artifact(logged):
    (run,) = offline_runs(logged)
    report = wandb_files.artifacts(run)["study_one-report"]
    assert report["type"] == "report"
    text = json.dumps(report)
    assert "index.html" in text
    assert "table.csv" in text
    kept = [p.read_bytes() for p in logged.rglob("wandb/data/**/*") if p.is_file()]
    page = (logged / "report" / "index.html").read_bytes()
    assert page in kept  # `wandb sync` finds the file later


def test_planted_other_number_is_caught(logged, tmp_path):
    folder = shutil.copytree(logged, tmp_path / "s", symlinks=True)
    table = folder / "report" / "table.csv"
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace(".", "0.", 1), encoding="utf-8")
    with pytest.raises(AssertionError):
        arms_are_those_of_the_report(folder)


def test_labels_that_a_user_chose_stay(tmp_path):
    chosen = Labels("mine", "group", "job", ["tag"])
    assert labels(chosen, tmp_path, {"study": "s", "arm": "a", "seed": 1}) == chosen


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"name": "lstm_copy", "seed": 1}, Labels("lstm_copy-s1", None, "train", [])),
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


def test_a_table_with_text_in_a_column_keeps_it():
    assert table_of_csv("a,b\n1,x\n2,3\n,\n") == {
        "columns": ["a", "b"],
        "rows": [[1.0, "x"], [2.0, "3"], [None, None]],
    }


def test_a_study_without_wandb_gets_no_run(tmp_path):
    folder = write_study(tmp_path / "two", PLAN)
    write_report(folder)
    assert log_study(folder) == set()
    assert offline_runs(folder) == []


def test_a_folder_without_a_report_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"no report/table.csv"):
        log_study(tmp_path)
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "table.csv").write_text("")
    with pytest.raises(ConfigError, match="not the plan of a study"):
        log_study(tmp_path)
