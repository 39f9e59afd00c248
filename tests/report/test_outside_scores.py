"""Scores that a file gives: the same statistics as any metric, directions, and refusals that name the line."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t

from seq2seq_lab.errors import DataError
from seq2seq_lab.metrics.table import METRICS, lower_is_better
from seq2seq_lab.report.outside_scores import read_scores
from seq2seq_lab.report.page import write_report
from seq2seq_lab.report.records import read_records
from support.study_folder import Plan, write_study

SMALL = Plan(errors={"none": 0.4, "dot": 0.1}, seeds=(1, 2, 3), sentences=11)
HEAD = ["run", "id", "metric", "score", "lower_is_better"]


def quality(name: str, sentence: int) -> float:
    """Return a made-up score: better for dot, different by seed and sentence."""
    seed = int(name.split("-s")[1][0])
    return 0.5 + 0.1 * ("dot" in name) + 0.01 * seed + 0.3 * math.sin(7 * sentence + seed)


def rows_of(place: Path, name: str = "comet", score=quality, less: str = "") -> list[list[str]]:
    runs = read_records(place).runs
    return [
        [run.name, str(i), name, repr(score(run.name, i)), less] for run in runs for i in range(SMALL.sentences)
    ]  # fmt: skip


def write(path: Path, rows: list[list[str]], head: list[str] | None = None) -> str:
    lines = ["\t".join(row) for row in [head or HEAD, *rows]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return write_study(tmp_path_factory.mktemp("studies") / "outside", SMALL)


def table(place: Path, name: str = "table.csv") -> list[dict[str, str]]:
    with (place / "report" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def statistics_are_those_of_the_means(place: Path, path: str) -> None:
    write_report(place, "test/comet", path)
    rows = {row["arm"]: row for row in table(place)}
    values = {
        arm: np.array([
            np.mean([quality(run.name, i) for i in range(SMALL.sentences)])
            for run in read_records(place).runs if run.arm == arm
        ])
        for arm in rows
    }  # fmt: skip
    for arm, row in rows.items():
        found = values[arm]
        half = t.ppf(0.975, 2) * found.std(ddof=1) / math.sqrt(3)
        assert float(row["mean"]) == pytest.approx(found.mean())
        assert float(row["low"]) == pytest.approx(found.mean() - half)
    arm = rows["attention=dot"]
    gap = values["attention=dot"].mean() - values["attention=none"].mean()
    assert float(arm["difference"]) == pytest.approx(gap)
    assert float(arm["p"]) <= 1
    assert arm["note"] == ""


def test_scores_have_the_statistics_of_a_metric(place, tmp_path):
    statistics_are_those_of_the_means(place, write(tmp_path / "comet.tsv", rows_of(place)))
    quarters = table(place, "by_length.csv")
    assert {row["metric"] for row in quarters} == {"test/comet"}
    assert "comet" not in METRICS


def test_planted_scores_of_the_wrong_run_are_caught(place, tmp_path):
    swapped = rows_of(place, score=lambda name, i: quality(name, i) - 0.2 * ("dot" in name))
    with pytest.raises(AssertionError):
        statistics_are_those_of_the_means(place, write(tmp_path / "comet.tsv", swapped))


def test_every_format_and_the_order_of_lines_are_the_same(place, tmp_path):
    rows = rows_of(place)
    found = [read_scores(write(tmp_path / "a.tsv", rows))]
    without = [[run, name, score] for run, _, name, score, _ in rows]
    found.append(read_scores(write(tmp_path / "b.tsv", without, ["run", "metric", "score"])))
    with (tmp_path / "c.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEAD, *rows[::-1]])
    found.append(read_scores(str(tmp_path / "c.csv")))
    lines = [
        json.dumps({"run": r[0], "id": int(r[1]), "metric": r[2], "score": float(r[3])})
        for r in rows
    ]
    (tmp_path / "d.jsonl").write_text("\n".join(lines), encoding="utf-8")
    found.append(read_scores(str(tmp_path / "d.jsonl")))
    assert found[0] == found[1] == found[2] == found[3]


def test_less_may_be_better(place, tmp_path):
    path = write(tmp_path / "x.tsv", rows_of(place, "human_errors", less="true"))
    assert read_scores(path)["human_errors"].lower_is_better
    write_report(place, "test/human_errors", path)
    stored = [json.loads(line) for line in (place / "report" / "scores.jsonl").open()]
    assert all(row["lower_is_better"] for row in stored)
    assert not lower_is_better("test/human_errors")  # forgotten after the report
    page = (place / "report" / "index.html").read_text(encoding="utf-8")
    assert "by the change of their human_errors" in page


def test_stored_scores_are_read_again_and_a_report_without_a_file_has_none(place, tmp_path):
    path = write(tmp_path / "x.tsv", rows_of(place))
    write_report(place, None, path)
    stored = place / "report" / "scores.jsonl"
    assert read_scores(str(stored)) == read_scores(path)
    assert {row["metric"] for row in table(place, "comparisons.csv")} >= {"test/comet", "test/ter"}
    write_report(place)
    assert stored.read_text() == ""
    assert "test/comet" not in {row["metric"] for row in table(place, "comparisons.csv")}


def changed(place: Path, row: int, column: str, value: str) -> list[list[str]]:
    rows = rows_of(place)
    rows[row][HEAD.index(column)] = value
    return rows


REFUSED = {
    "no number": (lambda p: changed(p, 2, "score", "high"), ":4: score='high': must be a finite number"),
    "not finite": (lambda p: changed(p, 2, "score", "nan"), ":4: score='nan': must be a finite"),
    "twice": (lambda p: changed(p, 3, "id", "2"), ":5: comet of"),
    "no sentence number": (lambda p: changed(p, 0, "id", "-1"), ":2: id='-1'"),
    "beyond the last": (lambda p: changed(p, 10, "id", "11"), "sentence 10 has none"),
    "too many": (lambda p: [*rows_of(p), [rows_of(p)[0][0], "11", "comet", "1", ""]], "there is no sentence 11"),
    "a sentence missing": (lambda p: rows_of(p)[:-1], "10 scores for 11 sentences of test; sentence 10"),
    "a run missing": (lambda p: rows_of(p)[11:], "0 scores for 11 sentences of test"),
    "an unknown run": (lambda p: changed(p, 0, "run", "other"), "no finished run 'other'"),
    "a taken name": (lambda p: changed(p, 0, "metric", "bleu"), ":2: metric='bleu' is a metric of this"),
    "a strange name": (lambda p: changed(p, 0, "metric", "a/b"), ":2: metric='a/b'"),
    "a strange direction": (lambda p: changed(p, 0, "lower_is_better", "low"), ":2: lower_is_better='low'"),
    "two directions": (lambda p: changed(p, 5, "lower_is_better", "yes"), ":7: lower_is_better of comet differs"),
    "no run": (lambda p: changed(p, 0, "run", ""), ":2: run is missing"),
    "a short row": (lambda p: [["a", "b"]], ":2: 2 columns, but the header has 5"),
    "nothing": (lambda p: [], "no score in it"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_does_not_fit_is_refused(case, place, tmp_path):
    make, words = REFUSED[case]
    path = write(tmp_path / "scores.tsv", make(place))
    with pytest.raises(DataError) as error:
        write_report(place, None, path)
    assert words in str(error.value)
    assert str(error.value).startswith(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.tsv", "name\tscore\n", ":1: no column metric, run"),
        ("a.tsv", "run\tmetric\tscore\tscore\n", ":1: column 'score'"),
        ("a.csv", "run,metric,score,seed\n", ":1: column 'seed'"),
        ("a.jsonl", "[1]\n", ":1: not an object"),
        ("a.jsonl", '{"run": "a"\n', ":1: not JSON"),
        ("a.jsonl", '{"run": "a", "metric": "m", "score": true}\n', ":1: score=True"),
        ("a.txt", "", "which format is this"),
        ("a.tsv", "", ":1: no column"),
    ],
)
def test_a_file_of_another_form_is_refused(name, text, words, tmp_path):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words.replace("[", r"\[")):
        read_scores(str(tmp_path / name))
