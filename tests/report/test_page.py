"""The report of a study folder: complete, honest about what is missing, self-contained and the same each time."""

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.files import sha256_of
from seq2seq_lab.report import tables
from seq2seq_lab.report.page import write_report
from seq2seq_lab.report.records import read_records
from seq2seq_lab.study.run import write_done
from support.study_folder import Plan, write_study

FILES = {"index.html", "report.md", "table.csv", "table.tex", "runs.csv", "by_length.csv", "by_target_length.csv",
         "by_rarity.csv", "scores.jsonl", "comparisons.csv"}  # fmt: skip
SMALL = Plan(errors={"none": 0.4, "dot": 0.05}, seeds=(1, 2), sentences=24, seed_spread=0.005)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A finished study of two arms and two seeds, with its report."""
    place = write_study(tmp_path_factory.mktemp("studies") / "whole", SMALL)
    write_report(place)
    return place


def rows(place: Path, name: str) -> list[dict[str, str]]:
    with (place / "report" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def page(place: Path) -> str:
    return (place / "report" / "index.html").read_text(encoding="utf-8")


class Shape(HTMLParser):
    """Counts tags, and fails on one that is closed in the wrong place."""

    VOID = frozenset({"meta", "img", "path", "br", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict]] = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def needs_nothing_from_outside(text: str) -> None:
    shape = Shape()
    shape.feed(text)
    assert shape.open == []
    links = [v for _, attrs in shape.seen for k, v in attrs.items() if k in {"src", "href"}]
    outside = [v for v in links if not v.startswith(("#", "data:image/png;base64,"))]
    assert {v for v in outside if "/" in v or ":" in v} == set()
    assert {tag for tag, _ in shape.seen} & {"script", "link", "iframe", "object"} == set()
    assert re.search(r"@import|url\(", text) is None


def test_all_files_are_written(whole):
    assert {p.name for p in (whole / "report").iterdir()} == FILES


def test_page_needs_nothing_from_outside(whole):
    needs_nothing_from_outside(page(whole))


def test_page_has_every_section_and_figure(whole):
    text = page(whole)
    titles = re.findall(r"<figure><h3>(.+?)</h3>", text)
    assert titles == ["Differences to the baseline", "Score by arm", "Score by source length",
                      "Gain by source length", "Learning curves", "Exposure bias", "Exposure bias by position",
                      "Score against parameters"]  # fmt: skip
    ids = re.findall(r'<h2 id="(\w+)"', text)
    assert ids == ["arms", "figures", "length", "target_length", "rarity", "others", "attention", "sentences",
                   "provenance"]  # fmt: skip
    assert "4 of 4 runs are done" in text
    assert "monotonicity" in text
    assert text.count("data:image/png;base64,") == 2
    assert "hardware.cores" in text.split('class="note"')[-1].split("</p>")[0]


def test_the_table_holds_the_runs_numbers(whole):
    found = {row["arm"]: row for row in rows(whole, "table.csv")}
    results = [json.loads(p.read_text()) for p in (whole / "runs").glob("*dot*/result.json")]
    mean = sum(r["test/exact_match"] for r in results) / 2
    assert float(found["attention=dot"]["mean"]) == pytest.approx(mean)
    assert found["attention=none"]["difference"] == ""
    assert list(found) == ["attention=none", "attention=dot"]


def test_quarters_are_those_of_the_runs(whole):
    """by_length.csv agrees with exact_match_length_q1..4 that every run stores by its own code."""
    results = [json.loads(p.read_text()) for p in (whole / "runs").glob("*none*/result.json")]
    for row in rows(whole, "by_length.csv"):
        if row["arm"] == "attention=none":
            key = f"test/exact_match_length_q{row['quarter']}"
            assert float(row["mean"]) == pytest.approx(sum(r[key] for r in results) / 2)


def test_the_same_files_give_the_same_report(whole):
    before = {name: (whole / "report" / name).read_bytes() for name in FILES}
    write_report(whole)
    assert {name: (whole / "report" / name).read_bytes() for name in FILES} == before


def test_time_and_machine_are_not_in_the_table(whole, tmp_path):
    place = write_study(tmp_path / "whole", SMALL)
    for i, path in enumerate(sorted(place.glob("runs/*/done.json"))):
        path.write_text(json.dumps({**json.loads(path.read_text()), "seconds": 9.5 + i}))
    ledger = place / "ledger.jsonl"
    ledger.write_text(ledger.read_text().replace("12:00:00", "18:30:00"))
    write_report(place)
    assert page(place) != page(whole)  # seconds are on the page
    name = "report/table.csv"
    assert (place / name).read_bytes() == (whole / name).read_bytes()


def test_a_partial_study_says_what_is_missing(tmp_path):
    plan = Plan(errors={"none": 0.4, "dot": 0.05, "general": 0.1}, seeds=(1, 2), sentences=12,
                failed=(("dot", 2),), missing=(("general", 1), ("general", 2)))  # fmt: skip
    place = write_study(tmp_path / "part", plan)
    damaged = next((place / "runs").glob("*none-s2*")) / "result.json"
    damaged.write_text(damaged.read_text() + " ")
    write_report(place)
    text = page(place)
    needs_nothing_from_outside(text)
    assert "2 of 6 runs are done" in text
    assert "loss is nan at step 7 &lt;b&gt;lower&lt;/b&gt;" in text
    states = {row["run"][: row["run"].rindex("-")]: row["state"] for row in rows(place, "runs.csv")}
    assert states == {"attention=none-s1": "done", "attention=dot-s1": "done", "attention=none-s2": "missing",
                      "attention=dot-s2": "failed", "attention=general-s1": "missing",
                      "attention=general-s2": "missing"}  # fmt: skip
    assert "1 seed: says nothing about the seed" in text
    assert "1 seed: says nothing about the seed" in (place / "report" / "report.md").read_text()
    assert rows(place, "table.csv")[1]["p"] != ""


def test_a_study_without_a_finished_run_has_a_report(tmp_path):
    plan = Plan(errors={"none": 0.4}, seeds=(1, 2), missing=(("none", 1), ("none", 2)))
    place = write_study(tmp_path / "empty", plan)
    write_report(place)
    assert "0 of 2 runs are done" in page(place)
    assert "No run is done yet" in page(place)
    assert rows(place, "table.csv") == []


def test_a_factor_that_is_a_number_gets_a_curve(tmp_path):
    plan = Plan(errors={"1.0": 0.4, "0.5": 0.2, "linear": 0.1}, key="training.scheduled_sampling.schedule.ratio",
                seeds=(1,), sentences=12, metric="test/loss")  # fmt: skip
    place = write_study(tmp_path / "ratios", plan)
    write_report(place)
    curve = (
        page(place)
        .split("Score against training.scheduled_sampling.schedule.ratio")[1]
        .split("</figure>")[0]
    )
    assert curve.count('class="mark"') == 2 + 1  # two points and the legend
    assert rows(place, "by_length.csv")[0]["metric"] == "test/bleu"  # no sentence has a loss


def test_an_option_that_sets_one_number_counts_as_that_number(tmp_path):
    plan = Plan(errors={"never": 0.4, "constant_50": 0.2, "linear": 0.1}, key="training/scheduled_sampling/schedule",
                seeds=(1,), sentences=12, metric="test/exact_match")  # fmt: skip
    place = write_study(tmp_path / "options", plan)
    settings = {
        "never": "{ratio: 0.0}",
        "constant_50": "{ratio: 0.5}",
        "linear": "{floor: 0.0, steps: 9}",
    }
    for name, text in settings.items():
        (folder,) = place.glob(f"runs/*{name}*")
        (folder / "config.yaml").write_text(
            f"training: {{scheduled_sampling: {{schedule: {text}}}}}\n"
        )
        done = json.loads((folder / "done.json").read_text())
        write_done(folder, done["content_hash"], done["seconds"])
    write_report(place)
    curve = (
        page(place)
        .split("Score against training/scheduled_sampling/schedule")[1]
        .split("</figure>")[0]
    )
    assert curve.count('class="mark"') == 2 + 1


def test_another_metric_can_be_asked_for(whole, tmp_path):
    place = write_study(tmp_path / "whole", SMALL)
    write_report(place, "test/chrf")
    assert {row["metric"] for row in rows(place, "table.csv")} == {"test/chrf"}
    with pytest.raises(ConfigError, match="test/NAME"):
        write_report(place, "bleu")


def test_two_factors_are_averaged_apart(tmp_path):
    place = write_study(tmp_path / "two", SMALL)
    plan = json.loads((place / "study.json").read_text())
    plan["factors"]["model"] = ["gru"]
    for run in plan["runs"]:
        run["factors"]["model"] = "gru"
    (place / "study.json").write_text(json.dumps(plan))
    write_report(place)
    means = [float(row["mean"]) for row in rows(place, "table.csv")]
    level = page(place).split('<td class="text">gru</td>')[1].split("</tr>")[0]
    assert f"<td>{sum(means) / 2:.2f}</td>" in level


def hostile(place: Path) -> Path:
    """Put markup and a formula where texts of users stand."""
    attack = "<script>alert(1)</script>"
    for path in place.glob("runs/*/hypotheses/test.jsonl"):
        path.write_text(path.read_text().replace('"source": "', f'"source": "{attack}'))
        done = json.loads((path.parents[1] / "done.json").read_text())
        done["sha256"]["hypotheses/test.jsonl"] = sha256_of(path)
        (path.parents[1] / "done.json").write_text(json.dumps(done))
    plan = json.loads((place / "study.json").read_text())
    plan["name"] = attack
    for run in plan["runs"]:
        run["arm"] = f"=HYPERLINK(1) {attack} | {run['arm']}"
    (place / "study.json").write_text(json.dumps(plan))
    return place


def texts_are_harmless(place: Path) -> None:
    assert "<script" not in page(place)
    assert "&lt;script&gt;" in page(place)
    needs_nothing_from_outside(page(place))
    assert all(row["arm"].startswith("'=") for row in rows(place, "table.csv"))
    table = [
        x
        for x in (place / "report" / "report.md").read_text().split("\n")
        if "HYPERLINK" in x and "mean" not in x
    ]
    assert all(re.sub(r"\\\|", "", line).count("|") in {0, len(tables.SHOWN) + 1} for line in table)
    assert not any("<script" in line for line in table)


def test_hostile_texts_are_escaped(tmp_path):
    place = hostile(write_study(tmp_path / "x", SMALL))
    write_report(place)
    texts_are_harmless(place)


def test_a_folder_without_a_plan_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="no study there"):
        read_records(tmp_path)


# planted bugs


def test_planted_page_that_does_not_escape_is_caught(tmp_path, monkeypatch):
    import jinja2

    class Careless(jinja2.Environment):
        def __init__(self, **options):
            super().__init__(**{**options, "autoescape": False})

    monkeypatch.setattr(jinja2, "Environment", Careless)
    place = hostile(write_study(tmp_path / "x", SMALL))
    write_report(place)
    with pytest.raises(AssertionError):
        texts_are_harmless(place)


def test_planted_formula_is_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "_FORMULA", ("nothing",))
    place = hostile(write_study(tmp_path / "x", SMALL))
    write_report(place)
    with pytest.raises(AssertionError):
        texts_are_harmless(place)


@pytest.mark.parametrize(
    "tag", ['<script src="x.js"></script>', '<img src="https://a.b/c.png">', "<p></b></p>"]
)
def test_planted_need_from_outside_is_caught(whole, tag):
    with pytest.raises((AssertionError, IndexError)):
        needs_nothing_from_outside(page(whole).replace("</main>", f"{tag}</main>"))
