"""Searches as arms of a study: their order and names, what is paired, and what is missing."""

import json
import math
import shutil
from dataclasses import replace

import pytest

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.report.analysis import analyse, arm_scores
from seq2seq_lab.report.figures_searches import by_beam
from seq2seq_lab.report.page import write_report
from seq2seq_lab.report.records import read_records
from seq2seq_lab.report.search_arms import predicted
from seq2seq_lab.report.statistics import compare
from seq2seq_lab.report.tables import unfinished_markdown
from support.stored_searches import GREEDY, beam, write_search
from support.study_folder import Plan, write_study

PLAN = Plan(
    errors={"none": 0.3, "dot": 0.1},
    seeds=(1, 2, 3),
    sentences=30,
    metric="test/chrf",
    seed_spread=0.1,
)


def without_last(text: str) -> str:
    return text[:-1]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A study of two arms whose runs have two beams; the wider one loses the last character."""
    place = write_study(tmp_path_factory.mktemp("searches") / "study", PLAN)
    for run in (place / "runs").iterdir():
        facts = json.loads((run / "data_report.json").read_text())
        (run / "data_report.json").write_text(json.dumps({**facts, "languages": ["en", "zh"]}))
        write_search(run, "beam_50", 0, beam(50), without_last)
        write_search(run, "beam_5", 1, beam(5), str)
    return place


@pytest.fixture
def study(made, tmp_path):
    return shutil.copytree(made, tmp_path / "study")


def runs_of(place):
    return sorted((place / "runs").iterdir())


def predict(place, tests):
    content = json.loads((place / "study.json").read_text())
    (place / "study.json").write_text(json.dumps({**content, "prediction": {"tests": tests}}))


def test_each_search_is_an_arm_beside_the_own_decoding(made):
    records = read_records(made, searches=True)
    assert records.factors["search"] == ("greedy", "beam_50", "beam_5")
    assert list(records.arms) == [
        f"attention={a}, search={s}"
        for a in ("none", "dot")
        for s in ("greedy", "beam_50", "beam_5")
    ]
    assert records.total == len(records.runs) == 18
    own, wide, same = (
        records.arms[f"attention=dot, search={s}"] for s in records.factors["search"]
    )
    assert [run.seed for run in wide] == [1, 2, 3]
    assert wide[0].factors == {"model/attention": "dot", "search": "beam_50"}
    stored = json.loads((wide[0].folder / "result.json").read_text())
    assert wide[0].result["test/chrf"] == stored["test/chrf"] < own[0].result["test/chrf"]
    assert same[0].result["test/chrf"] == pytest.approx(own[0].result["test/chrf"])
    assert same[0].result["test/length_ratio"] == own[0].result["test/length_ratio"]
    assert wide[0].result["test/length_ratio"] < own[0].result["test/length_ratio"]
    assert len({one.folder for one in (own[0], wide[0], same[0])}) == 3


def test_arms_are_paired_where_they_are_the_same_models_and_only_there(made):
    scores = arm_scores(read_records(made, searches=True), "chrf")
    dot, none = (
        [scores[f"attention={a}, search={s}"] for s in ("greedy", "beam_50")]
        for a in ("dot", "none")
    )
    paired = compare(*dot)
    apart = compare(*(replace(one, models=()) for one in dot))
    assert paired.difference == apart.difference < 0
    assert paired.high - paired.low < 0.5 * (apart.high - apart.low)
    across = compare(none[0], dot[1])
    assert across == compare(*(replace(one, models=()) for one in (none[0], dot[1])))


def test_a_study_is_read_with_its_searches_where_its_prediction_names_some(study):
    assert "search" not in read_records(study).factors
    predict(study, [{"arm": {"model/attention": "dot"}, "minus": {"model/attention": "none"}}])
    assert "search" not in read_records(study).factors
    predict(study, [{"arm": {"search": "beam_5"}, "minus": {"search": "beam_100"}}])
    records = read_records(study)
    assert records.factors["search"] == ("greedy", "beam_50", "beam_5", "beam_100")
    assert records.arms["attention=dot, search=beam_100"] == ()
    assert {one.reason for one in records.unfinished} == {"not decoded by this search"}
    assert len(records.unfinished) == 6
    assert "search" not in read_records(study, "val/chrf").factors
    assert "search" not in read_records(study, searches=False).factors


def test_sums_of_arms_name_searches_too():
    tests = [{"sum": [{"times": 1, "arm": {"search": 5}}, {"times": -1, "arm": {"data": "copy"}}]}]
    assert predicted({"tests": tests, "claim": "search"}) == ["5"]
    assert predicted(None) == predicted({"tests": [{"arm": {"data": "search"}}]}) == []


def test_runs_and_searches_that_are_missing_are_in_no_number(study):
    first, second = runs_of(study)[:2]
    (first / "searches" / "beam_5" / "test.jsonl").write_text("")  # not as it was written
    shutil.rmtree(second)
    records = read_records(study, searches=True)
    missing = [(one.name.partition("-s")[2][:1], one.arm, one.state) for one in records.unfinished]
    assert ("1", "attention=dot, search=beam_5", "missing") in missing
    assert [arm for seed, arm, _ in missing if seed == "2"] == [
        f"attention=dot, search={s}" for s in ("greedy", "beam_50", "beam_5")
    ]
    assert len(records.runs) == 14
    assert records.total == 18
    assert [run.seed for run in records.arms["attention=dot, search=beam_5"]] == [3]
    listed = unfinished_markdown(records)[2:]
    assert len(listed) == len(set(listed)) == 2  # a run that is missing once, not for each search


def test_a_search_that_repeats_the_own_decoding_stands_for_it(study):
    for run in runs_of(study):
        write_search(run, "plain", 2, GREEDY, str)
    assert read_records(study, searches=True).factors["search"] == ("beam_50", "beam_5", "plain")


def test_the_own_decoding_keeps_the_name_that_the_prediction_gives_it(study):
    for run in runs_of(study):
        write_search(run, "plain", 2, GREEDY, str)
    predict(study, [{"arm": {"model/attention": "dot", "search": "greedy"}}])
    records = read_records(study)
    assert records.factors["search"] == ("greedy", "beam_50", "beam_5", "plain")
    assert len(records.arms["attention=dot, search=greedy"]) == 3


def test_the_own_decoding_has_a_name_of_its_own(study):
    for run in runs_of(study):
        write_search(run, "greedy", 2, {**GREEDY, "max_ratio": 1.0}, str)
    found = read_records(study, searches=True).factors["search"]
    assert found == ("own_greedy", "beam_50", "beam_5", "greedy")


def test_what_cannot_be_read_with_searches_says_why(study, tmp_path):
    with pytest.raises(ConfigError, match="choose test/NAME"):
        read_records(study, "val/chrf", searches=True)
    plain = write_study(tmp_path / "plain", Plan(errors={"none": 0.3}, seeds=(1,), sentences=8))
    with pytest.raises(ConfigError, match="seq2seq-lab search plain NAME=OVERRIDES makes some"):
        read_records(plain, searches=True)


def test_the_report_shows_score_and_length_by_beam(study):
    page = write_report(study, searches=True).read_text(encoding="utf-8")
    text = (study / "report" / "report.md").read_text(encoding="utf-8")
    assert "Baseline: attention=none, search=greedy." in text
    assert "## Searches" in text
    assert text.count("| attention=dot, search=beam\\_50 |") == 2
    assert '<h2 id="searches">' in page
    records = read_records(study, searches=True)
    score, length = by_beam(records, analyse(records))
    assert [one.label for one in length.series] == ["model/attention=none", "model/attention=dot"]
    assert score.axes.x_ticks == ((1.0, "5"), (2.0, "50"))
    for line in length.series:
        assert line.points[0].y > line.points[1].y
        assert all(math.isfinite(point.low) for point in line.points)
    assert "Searches" not in write_report(study).read_text(encoding="utf-8")
