"""Two seeds say that they are two, wherever their numbers are shown; and the forest plot on the page."""

import csv
import math
import re

import pytest

from seq2seq_lab.report import notes
from seq2seq_lab.report.analysis import analyse
from seq2seq_lab.report.chart import Axes, Chart, Forest, Row
from seq2seq_lab.report.notes import TWO_COMPARED, TWO_SEEDS, note_of, notes_of
from seq2seq_lab.report.page import write_report
from seq2seq_lab.report.records import read_records
from seq2seq_lab.report.statistics import ONE_SEED
from seq2seq_lab.report.svg import draw
from support.study_folder import Plan, write_study


def study(place, missing=(), seeds=(1, 2)):
    errors = {"none": 0.4, "dot": 0.05}
    return write_study(place, Plan(errors=errors, seeds=seeds, sentences=12, missing=missing))


def places_that_say(place, text) -> set[str]:
    """Return the files of a report that have a text."""
    write_report(place)
    files = {
        "index.html",
        "report.md",
        "table.csv",
        "comparisons.csv",
        "by_length.csv",
        "table.tex",
    }
    return {name for name in files if text in (place / "report" / name).read_text(encoding="utf-8")}


def test_two_seeds_are_two_in_every_file(tmp_path):
    assert len(places_that_say(study(tmp_path / "two"), TWO_SEEDS)) == 6


def test_three_seeds_say_nothing(tmp_path):
    place = study(tmp_path / "three", seeds=(1, 2, 3))
    assert places_that_say(place, "degree of freedom") == set()
    assert notes_of(analyse(read_records(place)).table) == []


def test_planted_silence_about_two_seeds_is_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(notes, "TWO_SEEDS", "")
    with pytest.raises(AssertionError):
        test_two_seeds_are_two_in_every_file(tmp_path)


def test_an_arm_that_lacks_a_seed_is_named(tmp_path):
    place = study(tmp_path / "part", missing=(("dot", 3),), seeds=(1, 2, 3))
    none, dot = analyse(read_records(place)).table
    assert note_of(none) == ""
    assert note_of(dot) == TWO_SEEDS
    text = "not every arm has the seeds 1 2 3: attention=dot has 1 2"
    assert places_that_say(place, text) == {"index.html", "report.md"}
    assert places_that_say(place, "dot attention has 1 2") == {"table.tex"}


def test_three_seeds_against_two_say_that_it_is_two(tmp_path):
    place = study(tmp_path / "part", missing=(("none", 3),), seeds=(1, 2, 3))
    assert [note_of(row) for row in analyse(read_records(place)).table] == [TWO_SEEDS, TWO_COMPARED]


def test_one_seed_still_says_that_it_is_one(tmp_path):
    assert {"index.html", "report.md", "table.csv"} <= places_that_say(
        study(tmp_path / "one", seeds=(1,)), ONE_SEED
    )


def test_no_mean_of_a_bounded_metric_has_an_interval_beyond_its_bounds(tmp_path):
    """Two seeds near 0 and near 100: Student's interval would leave the range on either side."""
    errors = {"bad": 0.9, "good": 0.01, "middle": 0.2}
    place = write_study(
        tmp_path / "wide", Plan(errors=errors, seeds=(1, 2), sentences=12, seed_spread=0.08)
    )
    write_report(place)
    for name in ("table.csv", "by_length.csv"):
        with (place / "report" / name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert all(0.0 <= float(row[end]) <= 100.0 for row in rows for end in ("low", "high"))
        assert {(row["lowest"], row["highest"]) for row in rows} == {("0.0", "100.0")}


# the forest plot on the page


def test_a_forest_has_a_row_for_each_arm_and_a_line_at_zero():
    rows = (
        Row("a < b", 1, 2.0, 1.0, 3.0, 0.5, "+2.00 [1.00, 3.00]", "first"),
        Row("c", 2, -1.0, math.nan, math.nan, math.nan, "-1.00", "second"),
    )
    forest = Forest("f", "Differences", "how", "BLEU minus baseline", rows)
    assert forest.lines() == ["first", rows[0], "second", rows[1]]
    text = draw(forest)
    assert text.count('class="mark"') == 2
    assert text.count('class="bar"') == 1
    assert text.count('class="unseen"') == 1
    assert text.count("grid zero") == 1
    assert "a &lt; b" in text
    low, high = forest.limits()
    assert low < -1.0
    assert high > 3.0


def test_an_interval_far_wider_than_the_differences_is_cut_without_a_cap():
    rows = (Row("a", 1, 1.0, -900.0, 900.0, 800.0, ""), Row("b", 2, 2.0, 1.5, 2.5, 0.1, ""))
    forest = Forest("f", "Differences", "how", "BLEU minus baseline", rows)
    assert forest.limits()[1] < 10.0
    bars = re.findall(r'class="bar" d="([^"]+)"', draw(forest))
    assert [bar.count("v6") for bar in bars] == [0, 2]


def test_a_figure_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="Chart: no figure"):
        draw(Chart("x", "x", "x", (), Axes("x", "y")))
