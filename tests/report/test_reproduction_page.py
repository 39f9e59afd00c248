"""The page of a reproduction: made of the study's files alone, the same bytes each time, and it says what was found."""

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.report.analysis import analyse, analyse_declared
from seq2seq_lab.report.prediction import judge
from seq2seq_lab.report.records import read_records
from seq2seq_lab.report.reproduction_page import write_reproduction
from seq2seq_lab.study.matrix import Study
from seq2seq_lab.study.prediction import fingerprint
from seq2seq_lab.study.run import write_done
from seq2seq_lab.study.stored_study import opened, store
from support.study_folder import Plan, write_study

PREDICTION = {
    "claim": "Attention helps.",
    "source": "Nobody 2026",
    "shape": "One arm is above the other.",
    "published": [{"setting": "a | b", "number": "1.5, 2.5"}],
    "seeds": 3,
    "tests": [
        {"says": "dot gains", "arm": {"model/attention": "dot"}, "minus": {"model/attention": "none"},
         "part": {"source_quarter": 4}, "at_least": 5},
        {"says": "dot is perfect", "arm": {"model/attention": "dot"}, "judge": "mean", "at_least": 0},
    ],
}  # fmt: skip
PLAN = Plan(errors={"none": 0.4, "dot": 0.02}, sentences=24, prediction=PREDICTION)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    return write_study(tmp_path_factory.mktemp("studies") / "helps", PLAN)


@pytest.fixture(scope="module")
def page(study, tmp_path_factory) -> str:
    return write_reproduction(study, tmp_path_factory.mktemp("pages")).read_text(encoding="utf-8")


def rows(text: str, head: str) -> list[list[str]]:
    """Return the rows of the first table whose head begins so."""
    lines = text[text.index(f"| {head} |") :].split("\n\n")[0].split("\n")
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_the_page_of_an_archive_is_that_of_the_folder(study, page, tmp_path):
    store(study, tmp_path / "helps.tar.xz")
    for pages in (tmp_path / "one", tmp_path / "two"):
        with opened(tmp_path / "helps.tar.xz") as folder:
            write_reproduction(folder, pages)
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in ("one", "two"))
    assert set(one) == {"helps.md", "helps.svg"}
    assert one == two
    assert one["helps.md"].decode() == page
    assert str(tmp_path).encode() not in one["helps.md"] + one["helps.svg"]


def test_every_test_has_its_numbers_and_its_verdict(study, page):
    found = judge(read_records(study), PREDICTION)
    table = rows(page, "test")
    assert page.startswith(f"# helps: {found.verdict}\n")
    assert [row[0] for row in table] == ["dot gains", "dot is perfect"]
    assert [row[4] for row in table] == [test.verdict for test in found.tests]
    assert [row[1] for row in table] == [f"{test.value:.2f}" for test in found.tests]


def test_the_arms_are_those_of_the_report(study, page):
    report = analyse(read_records(study)).table
    table = rows(page, "arm")
    assert [(r[0], r[1], r[2]) for r in table] == [
        (name, "3", f"{row.interval.mean:.2f}")
        for name, row in zip(("no attention", "dot attention"), report, strict=True)
    ]
    assert table[1][5] == f"+{report[1].comparison.difference:.2f}"
    assert [r[7:] for r in table] == [["5,400", "102 s"], ["5,300", "102 s"]]


def test_the_lean_analysis_is_that_of_the_report(study):
    whole, lean = (f(read_records(study)) for f in (analyse, analyse_declared))
    assert lean.table == whole.table
    assert lean.by_length == whole.by_length


def test_what_a_reader_needs_to_judge_is_there(page):
    assert "python train.py experiment=helps hydra/launcher=local" in page
    assert rows(page, "setting") == [["a \\| b", "1.5, 2.5"]]
    assert f"SHA-256 {fingerprint(PREDICTION)}" in page
    assert "AMD EPYC, cores: 2, threads: ?, no GPU (3 runs); AMD EPYC, cores: 3" in page
    assert "torch 2.13.0+cpu" in page
    assert "commit a4ee995d1bc9" in page
    assert "101 s to 103 s for a run, 10 min for all 6" in page
    assert re.search(r"20\d\d-\d\d-\d\d|2026-11", page) is None


MINE = ["experiment=it", "preset=helps", "data.note=a b"]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ([MINE], "experiment=it preset=helps 'data.note=a b'"),
        (
            [[*MINE, "hydra.launcher.n_jobs=2"], [*MINE, "resume=auto"]],
            "experiment=it preset=helps 'data.note=a b' hydra/launcher=local",
        ),
        ([["seed=1", "study=it_helps"], ["seed=2", "study=it_helps"]], "seed=2 study=it_helps"),
        ([MINE, MINE, ["seed=2", "study=it_helps"]], "experiment=it preset=helps 'data.note=a b'"),
        ([["seed=1"], ["seed=2"]], "experiment=it_helps hydra/launcher=local"),
        ([["experiment=other"], MINE], "experiment=it preset=helps 'data.note=a b'"),
        ([MINE, ["experiment=other"]], "experiment=it preset=helps 'data.note=a b'"),
    ],
)
def test_the_command_is_that_which_was_typed(typed, expected, tmp_path):
    place = write_study(tmp_path / "it_helps", PLAN)
    for number, run in enumerate(Study.load(place).runs):
        path = place / "runs" / run.name / "manifest.json"
        words = [*typed[number * len(typed) // 6], f"study_dir={place}"]
        facts = {"command": words, "started": f"2026-11-0{number + 1}"}
        path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))
        write_done(path.parent, run.content_hash, 1.0)
    text = write_reproduction(place, tmp_path / "pages").read_text()
    assert f"\npython train.py {expected}\n" in text


def test_the_figure_shows_differences_and_lengths(study, page, tmp_path):
    path = write_reproduction(study, tmp_path).with_suffix(".svg")
    root = ElementTree.parse(path).getroot()
    texts = [one.text for one in root.iter() if one.text]
    assert "](helps.svg)" in page
    assert {"Differences to the baseline", "Score by source length", "dot attention"} <= set(texts)
    assert (root.get("width"), len([*root.iter("{http://www.w3.org/2000/svg}svg")])) == ("980", 3)


def test_values_of_the_factor_that_changes_the_sentences_have_tables_of_their_own(tmp_path):
    place = write_study(tmp_path / "two", PLAN)
    prediction = {**PREDICTION, "by": "data", "tests": PREDICTION["tests"][1:]}
    plan = json.loads((place / "study.json").read_text())
    plan |= {"factors": {"data": ["copy", "sort"], **plan["factors"]}, "prediction": prediction}
    for run in plan["runs"]:
        run["factors"] = {"data": "copy", **run["factors"]}
        run["arm"] = f"data=copy, {run['arm']}"
        path = place / "runs" / run["run"] / "config.yaml"
        path.write_text(f"seed: 1\nprediction: {json.dumps(prediction)}\n")
        write_done(path.parent, run["content_hash"], 1.0)
    (place / "study.json").write_text(json.dumps(plan))
    path = write_reproduction(place, tmp_path / "pages")
    text = path.read_text()
    assert [row[0] for row in rows(text, "arm")] == ["no attention", "dot attention"]
    assert (
        text.index("### copy") < text.index("| arm |") < text.index("### sort\n\nNo run is done.")
    )
    assert ">copy</text>" in path.with_suffix(".svg").read_text()


def test_runs_that_are_missing_are_named_and_leave_it_undecided(tmp_path):
    plan = Plan(errors=PLAN.errors, sentences=24, prediction=PREDICTION, missing=(("dot", 3),))
    text = write_reproduction(write_study(tmp_path / "part", plan), tmp_path).read_text()
    assert text.startswith("# part: undecided\n")
    assert "5 of 6 runs are done" in text
    assert "| attention=dot-s3-" in text


def test_a_study_without_a_prediction_or_a_run_has_no_page(tmp_path):
    with pytest.raises(ConfigError, match="has no prediction"):
        write_reproduction(write_study(tmp_path / "none", Plan(sentences=4)), tmp_path)
    missing = tuple((arm, seed) for arm in PLAN.errors for seed in PLAN.seeds)
    plan = Plan(errors=PLAN.errors, prediction=PREDICTION, missing=missing)
    with pytest.raises(ConfigError, match="no run is done"):
        write_reproduction(write_study(tmp_path / "empty", plan), tmp_path)
