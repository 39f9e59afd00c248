"""The Report of a study: what it says and shows, as plain data, without a server."""

import csv
import json
import shlex

import pytest

from seq2seq_lab.config.compose import compose_config
from seq2seq_lab.report.page import write_report
from seq2seq_lab.report.wandb_content import code, command, read_texts
from seq2seq_lab.study.matrix import Study
from seq2seq_lab.training.logger.wandb_study import report_of, workspace_of
from support.study_folder import Plan, write_study

pytest.importorskip("wandb_workspaces")
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic V1")

PLAN = Plan(
    errors={"none": 0.4, "dot": 0.05},
    seeds=(1, 2, 3),
    sentences=24,
    seed_spread=0.005,
    failed=(("none", 3),),
)
HOSTILE = 'it\'s = "one" and 1 != 2 \\ | <b>`x`</b> *two*'


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = write_study(tmp_path_factory.mktemp("studies") / "one", PLAN)
    write_report(folder)
    return folder


def specification(content: dict) -> list[dict]:
    """Return the blocks of the Report as W&B stores them, without the empty lines; an entity would be looked up."""
    blocks = report_of(content, "", "lab")._to_model().spec.blocks
    found = [block.model_dump(by_alias=True, exclude_none=True) for block in blocks]
    return [block for block in found if block["type"] != "paragraph"]


def titles(blocks: list[dict]) -> list[str]:
    return [b["children"][0]["text"] for b in blocks if b["type"] == "heading"]


def texts(blocks: list[dict]) -> list[str]:
    return [b["content"] for b in blocks if b["type"] == "markdown-block"]


def grids(blocks: list[dict]) -> list[dict]:
    return [b["metadata"] for b in blocks if b["type"] == "panel-grid"]


def panels(grid: dict) -> list[dict]:
    return grid["panelBankSectionConfig"]["panels"]


def test_its_sections_and_its_verdict(place):
    blocks = specification(read_texts(place))
    assert titles(blocks) == [
        "Arms", "Comparisons with the baseline", "Runs", "Hypotheses", "Runs that are not done", "To run it again",
    ]  # fmt: skip
    page = (place / "report" / "index.html").read_text(encoding="utf-8")
    lead = texts(blocks)[0].partition("\n")[0]
    assert lead.startswith("5 of 6 runs are done. ")
    assert lead.replace("'", "&#39;") in page


def test_its_tables_are_those_of_the_report(place):
    arms, comparisons, unfinished = texts(specification(read_texts(place)))[1:4]
    stored = (place / "report" / "report.md").read_text(encoding="utf-8")
    rows = [line for line in arms.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert all(row in stored for row in rows)
    with (place / "report" / "comparisons.csv").open(encoding="utf-8", newline="") as file:
        expected = list(csv.DictReader(file))
    assert len(comparisons.splitlines()) == 2 + len(expected)
    assert "loss is nan" in unfinished


def test_its_charts_group_the_runs_of_the_study_by_arm(place):
    own, by_arm, all_runs = grids(specification(read_texts(place)))
    found = {panel["viewType"]: panel["config"] for panel in panels(by_arm)}
    bars, lines = found["Bar Chart"], found["Run History Line Plot"]
    assert bars["metrics"] == ["test/exact_match"]
    grouping = ("groupBy", "groupAgg", "groupArea")
    assert [bars[key] for key in grouping] == ["jobType", "mean", "stderr"]
    assert [lines[key] for key in grouping] == ["jobType", "mean", "minmax"]
    shown = [panel["config"]["metrics"] for panel in panels(by_arm)[1:]]
    assert shown == [["val/exact_match"], ["val/loss"], ["train/loss"]]
    assert by_arm["runSets"][0]["grouping"] == [{"section": "run", "name": "jobType"}]
    for grid in (by_arm, all_runs):
        (study,) = grid["runSets"][0]["filters"]["filters"]
        assert study["key"] == {"section": "config", "name": "study.value"}
        assert (study["op"], study["value"]) == ("=", "one")
    job = own["runSets"][0]["filters"]["filters"][1]
    assert (job["key"]["name"], job["op"], job["value"]) == ("jobType", "=", "report")
    assert panels(own)[0]["config"]["mediaKeys"] == ["arms/intervals"]
    assert "test/hypotheses" in json.dumps(panels(all_runs))


def test_its_command_runs_the_same_study(place):
    (block,) = [b for b in specification(read_texts(place)) if b["type"] == "code-block"]
    text = block["children"][0]["children"][0]["text"]
    assert text == "python train.py -m study=one model/attention=none,dot seed=1,2,3"


def test_the_command_of_a_name_with_spaces_is_quoted():
    study = Study(
        "it's one", {"model.dim": ("16",)}, (4,), ("seed=4", "debug=tiny"), "test/bleu", ()
    )
    words = shlex.split(command(study))
    assert words[3:] == ["study='it\\'s one'", "seed=4", "debug=tiny", "model.dim=16"]
    assert compose_config(words[3:]).study == "it's one"


def test_hostile_names_stay_text(place, tmp_path):
    folder = write_study(tmp_path / "x", PLAN)
    plan = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    plan["name"] = HOSTILE
    for run in plan["runs"]:
        run["arm"] = run["arm"].replace("none", HOSTILE)
    (folder / "study.json").write_text(json.dumps(plan), encoding="utf-8")
    blocks = specification(read_texts(folder))
    assert all("<b>" not in text and " | <" not in text for text in texts(blocks))
    assert {g["runSets"][0]["filters"]["filters"][0]["value"] for g in grids(blocks)} == {HOSTILE}


def test_code_that_differs_is_listed(place, tmp_path):
    from seq2seq_lab.report.records import read_records

    folder = write_study(tmp_path / "x", PLAN)
    first = sorted((folder / "runs").iterdir())[0] / "manifest.json"
    manifest = json.loads(first.read_text(encoding="utf-8"))
    manifest["code"] = {"commit": "abc", "diff_sha256": "0ff"}
    first.write_text(json.dumps(manifest), encoding="utf-8")
    assert len(code(read_records(place)).splitlines()) == 1
    found = code(read_records(folder)).splitlines()
    assert len(found) == 2
    assert "commit abc with uncommitted changes (SHA-256 of the diff: 0ff)" in found


def test_the_workspace_shows_the_runs_of_the_study_by_arm(place):
    found = workspace_of(read_texts(place), "team", "lab")
    assert (found.entity, found.project, found.name) == ("team", "lab", "one")
    assert "Config('study.value') == 'one'" in found.runset_settings.filters
    assert [group.name for group in found.runset_settings.groupby] == ["JobType"]
    assert len(found.sections[0].panels) == 4


def test_a_study_without_a_finished_run_has_a_report(tmp_path):
    plan = Plan(errors={"none": 0.4}, seeds=(1,), failed=(("none", 1),))
    blocks = specification(read_texts(write_study(tmp_path / "s", plan)))
    assert "0 of 1 runs are done" in texts(blocks)[0]
    assert "Comparisons with the baseline" not in titles(blocks)
