"""A report shows what was expected of its study, and judges it in words; each data set has a table of its own."""

import csv
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from seq2seq_lab.commands.dispatch import carry_out
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.report.page import write_report
from seq2seq_lab.report.prediction import judge
from seq2seq_lab.report.records import read_records
from seq2seq_lab.study.prediction import fingerprint
from support.study_folder import Plan, write_study

NONE, DOT = {"model/attention": "none"}, {"model/attention": "dot"}
PREDICTION = {
    "claim": "attention <b>helps</b>",
    "source": "a paper",
    "shape": "the more, the longer",
    "published": [{"setting": "another data set", "number": "17.8, 26.8"}],
    "seeds": 2,
    "tests": [
        {"says": "it gains", "arm": DOT, "minus": NONE, "at_least": 1},
        {"says": "it grows", "at_least": 0, "sum": [
            {"times": 1, "arm": DOT, "part": {"source_quarter": 4}},
            {"times": -1.3, "arm": NONE, "part": {"source_length": [1, 4]}}]},
        {"says": "it is never bad", "arm": DOT, "metric": "bleu", "judge": "each_seed", "at_least": 1},
        {"says": "its loss is small", "arm": DOT, "metric": "loss", "judge": "mean", "at_most": 0.5},
    ],
}  # fmt: skip
PLAN = Plan(
    errors={"none": 0.4, "dot": 0.05}, seeds=(1, 2, 3), sentences=16, seed_spread=0.01,
    prediction=PREDICTION,
)  # fmt: skip
SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    found = write_study(tmp_path_factory.mktemp("studies") / "expected", PLAN)
    write_report(found)
    return found


def text(place: Path, name: str) -> str:
    return (place / "report" / name).read_text(encoding="utf-8")


def rederived(place: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPTS / "rederive.py"), str(place)]
    return subprocess.run(command, capture_output=True, text=True)


def test_page_and_markdown_say_what_was_expected_and_what_came_out(place):
    records = read_records(place)
    verdict = judge(records, PREDICTION)
    page, markdown = text(place, "index.html"), text(place, "report.md")
    assert f'<h2 id="prediction">Prediction: {verdict.verdict}</h2>' in page
    assert f"## Prediction: {verdict.verdict}" in markdown
    assert page.index('id="prediction"') < page.index('id="arms"')
    assert "attention &lt;b&gt;helps&lt;/b&gt;" in page
    for found in (page, markdown):
        assert fingerprint(PREDICTION) in found
        assert "Written down before the first run" in found
        assert all(words in found for words in ("it grows", "at least 1, every seed", "17.8, 26.8"))
    section = page.split("<section")[1].split("</section>")[0]
    shown = re.findall(r">(confirmed|refuted|undecided)</td>", section)
    assert shown == [test.verdict for test in verdict.tests]


def test_the_command_prints_it(place, capsys):
    carry_out(["report", str(place)])
    assert "## Prediction: " in capsys.readouterr().out


def test_another_metric_of_the_report_leaves_the_verdict_alone(place, tmp_path):
    before = text(place, "prediction.csv")
    write_report(place, "test/chrf")
    assert text(place, "prediction.csv") == before
    write_report(place)


def test_a_study_without_a_prediction_has_no_section(tmp_path):
    found = write_study(tmp_path / "plain", replace(PLAN, prediction=None))
    write_report(found)
    assert "prediction" not in text(found, "index.html").lower()
    assert "prediction" not in text(found, "report.md").lower()
    assert not (found / "report" / "prediction.csv").exists()


def test_rederive_finds_the_same_and_what_is_changed(place):
    done = rederived(place)
    assert (done.returncode, done.stderr) == (0, "")
    path = place / "report" / "prediction.csv"
    kept = path.read_text(encoding="utf-8")
    rows = list(csv.DictReader(kept.splitlines()))
    assert len(rows) == 4
    path.write_text(kept.replace(rows[1]["low"], "12.5"), encoding="utf-8")
    assert "prediction.csv, it grows, low: 12.5 is written" in rederived(place).stdout
    path.write_text(kept.replace(",confirmed,", ",refuted,"), encoding="utf-8")
    assert "refuted is written, confirmed is derived" in rederived(place).stdout
    path.write_text(kept, encoding="utf-8")


def test_one_seed_is_rederived(tmp_path):
    prediction = {**PREDICTION, "seeds": 1}
    found = write_study(tmp_path / "one", replace(PLAN, seeds=(4,), prediction=prediction))
    write_report(found)
    done = rederived(found)
    assert done.returncode == 0, done.stdout + done.stderr


def test_values_of_the_factor_by_have_tables_of_their_own(tmp_path):
    """Arms whose test sentences differ are in no comparison, and every value has a report of its own below."""
    prediction = {**PREDICTION, "by": "model/attention"}
    found = write_study(tmp_path / "grouped", replace(PLAN, prediction=prediction))
    path = write_report(found)
    page, markdown = text(found, "index.html"), text(found, "report.md")
    assert path == found / "report" / "index.html"
    assert "## Prediction: " in markdown
    assert '<a href="dot/index.html">' in page
    rows = list(csv.DictReader(text(found, "table.csv").splitlines()))
    assert [row["column"] for row in rows] == ["grouped, none", "grouped, dot"]
    assert [row["difference"] for row in rows] == ["", ""]
    assert {"index.html", "runs.csv"} <= {p.name for p in (found / "report" / "none").iterdir()}
    assert "Prediction" not in text(found, "none/index.html")
    done = rederived(found)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_changed_prediction_has_no_report(tmp_path):
    found = write_study(tmp_path / "changed", PLAN)
    plan = json.loads((found / "study.json").read_text(encoding="utf-8"))
    plan["prediction"]["tests"][0]["at_least"] = 0.1
    (found / "study.json").write_text(json.dumps(plan), encoding="utf-8")
    with pytest.raises(ConfigError, match="made under another prediction"):
        write_report(found)
