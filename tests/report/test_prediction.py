"""Predictions: a combination of scores is judged with the report's statistics, over seeds and sentences together."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.metrics.accuracy import length_quarters
from seq2seq_lab.report.analysis import analyse
from seq2seq_lab.report.prediction import judge
from seq2seq_lab.report.records import Records, Run, Translated, UnfinishedRun, read_records
from seq2seq_lab.report.statistics import NO_SENTENCES, ONE_SEED, compare
from support.study_folder import Plan, write_study

KEY = "model/attention"
NONE, DOT = {KEY: "none"}, {KEY: "dot"}
HEAD = {"claim": "attention helps", "source": "a paper", "shape": "the more, the longer"}


def prediction(*tests: dict, **more) -> dict:
    return {**HEAD, "tests": [{"says": "so it is", **test} for test in tests], **more}


def only(records: Records, test: dict, **more):
    return judge(records, prediction(test, **more)).tests[0]


def quarter_gain() -> dict:
    """The gain in the longest quarter minus 1.3 times that in the shortest."""
    terms = [(1, DOT, 4), (-1, NONE, 4), (-1.3, DOT, 1), (1.3, NONE, 1)]
    rows = [{"times": k, "arm": arm, "part": {"source_quarter": q}} for k, arm, q in terms]
    return {"sum": rows, "at_least": 0}


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> Records:
    plan = Plan(errors={"none": 0.3, "dot": 0.1}, seeds=(1, 2, 3), sentences=40, seed_spread=0.03)
    found = read_records(write_study(tmp_path_factory.mktemp("studies") / "judged", plan))
    arms = {
        arm: tuple(replace(run, folder=Path("nowhere")) for run in runs)
        for arm, runs in found.arms.items()
    }
    return replace(
        found, arms=arms, place=Path("nowhere")
    )  # without configs: any prediction may be judged


def matched(hits: np.ndarray, arm: str, seed: int, sources: list[str]) -> Run:
    """Return a run whose sentence i is right where `hits` says so."""
    texts = tuple(Translated(s, "a", "a" if hit else "b") for s, hit in zip(sources, hits, strict=True))  # fmt: skip
    result = {"test/exact_match": 100.0 * float(hits.mean()), "test/loss": 2.0 - float(hits.mean())}
    name = f"{arm}-{seed}"
    facts = ({}, texts, (), {}, {}, 1.0)
    return Run(name, arm, seed, {KEY: arm}, Path("nowhere") / name, result, *facts)


def made(arms: dict[str, list[list[int]]], sources: list[str]) -> Records:
    runs = {
        arm: tuple(matched(np.array(hits), arm, seed, sources) for seed, hits in enumerate(rows, 1))
        for arm, rows in arms.items()
    }
    total = sum(map(len, runs.values()))
    factors = {KEY: tuple(arms)}
    return Records("made", Path("nowhere"), "test/exact_match", factors, runs, (), total)


WORDS = ["w " * n for n in (1, 1, 2, 2, 3, 3, 4, 4)]
SMALL = {
    "none": [[1, 1, 1, 0, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0, 1, 0], [1, 1, 1, 1, 0, 1, 0, 0]],
    "dot": [[1, 1, 1, 1, 1, 1, 0, 1], [1, 1, 1, 1, 1, 0, 1, 1], [1, 1, 1, 1, 1, 1, 1, 0]],
}

# the estimate and its interval


@pytest.mark.parametrize("metric", ["exact_match", "bleu", "loss"])
def test_a_difference_has_the_interval_of_the_report(records, metric):
    whole = replace(records, metric=f"test/{metric}")
    expected = analyse(whole).table[1].comparison
    found = only(whole, {"arm": DOT, "minus": NONE, "at_least": 0})
    assert found.value == pytest.approx(expected.difference, abs=1e-12)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert (found.note == NO_SENTENCES) == (metric == "loss")


def test_a_difference_in_one_quarter_has_the_interval_of_the_report(records):
    rows = {(row.arm, row.quarter): row for row in analyse(records).by_length}
    for quarter in (1, 4):
        test = {"arm": DOT, "minus": NONE, "part": {"source_quarter": quarter}, "at_least": 0}
        found, expected = only(records, test), rows["attention=dot", quarter].comparison
        numbers = expected.difference, expected.low, expected.high
        assert (found.value, found.low, found.high) == pytest.approx(numbers, abs=1e-12)


def test_one_arm_has_the_bounded_interval_over_seeds_and_sentences(records):
    rows = {(row.arm, row.quarter): row.interval for row in analyse(records).by_length}
    found = only(records, {"arm": DOT, "part": {"source_quarter": 2}, "at_least": 0})
    expected = rows["attention=dot", 2]
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= found.low <= found.high <= 100


def test_a_combination_is_that_of_its_scores(records):
    """Four terms by hand: matched sentences of each quarter, averaged over seeds."""
    found = only(records, quarter_gain())
    scores = {}
    for arm, runs in records.arms.items():
        for quarter in (1, 4):
            places = length_quarters([one.source for one in runs[0].translated])[quarter - 1]
            texts = [run.translated[i] for run in runs for i in places]
            hits = [one.hypothesis == one.reference for one in texts]
            scores[arm, quarter] = 100 * np.mean(hits)
    gain = {q: scores["attention=dot", q] - scores["attention=none", q] for q in (1, 4)}
    assert found.value == pytest.approx(gain[4] - 1.3 * gain[1])
    assert found.low < found.value < found.high


def test_the_same_arm_in_two_parts_is_one_set_of_models():
    """Where all sentences of a part agree, what the parts of a seed share cancels: no variance is left."""
    rows = [[1, 1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1]]
    parts = {1: [1, 2], -1: [3, 4]}
    terms = [{"times": k, "arm": DOT, "part": {"source_length": p}} for k, p in parts.items()]
    found = only(made({"dot": rows}, WORDS), {"sum": terms, "at_least": -1, "at_most": 1})
    assert (found.value, found.low, found.high) == (0, 0, 0)
    assert found.verdict == "confirmed"


def test_the_same_models_are_paired_by_seed():
    whole = made(SMALL, WORDS)
    arms = {
        arm: tuple(replace(run, model=f"seed {run.seed}") for run in runs)
        for arm, runs in whole.arms.items()
    }
    paired = replace(whole, arms=arms)
    metric = analyse(paired).scores["exact_match"]
    expected = compare(metric["none"], metric["dot"])
    found = only(paired, {"arm": DOT, "minus": NONE, "at_least": 0})
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    apart = only(made(SMALL, WORDS), {"arm": DOT, "minus": NONE, "at_least": 0})
    assert found.low != pytest.approx(apart.low)


def test_a_part_by_length_counts_words_of_the_source():
    found = only(made(SMALL, WORDS), {"arm": NONE, "part": {"source_length": [2, 3]}, "at_least": 0})  # fmt: skip
    assert found.value == pytest.approx(100 * np.mean([row[2:6] for row in SMALL["none"]]))


def test_one_seed_has_the_bootstrap_over_sentences_and_says_so(records):
    single = replace(records, arms={arm: runs[:1] for arm, runs in records.arms.items()})
    expected = analyse(single).table[1].comparison
    found = only(single, {"arm": DOT, "minus": NONE, "at_least": 0})
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-4)
    assert ONE_SEED in found.note
    wants_more = only(single, {"arm": DOT, "minus": NONE, "at_least": 0}, seeds=2)
    assert wants_more.verdict == "undecided"
    assert "attention=dot has 1 of 2 seeds" in wants_more.note


def test_arms_with_other_sentences_are_compared_over_seeds_only():
    whole = made(SMALL, WORDS)
    elsewhere = made(SMALL, [f"x {w}" for w in WORDS])
    other = replace(whole, arms={**whole.arms, "none": elsewhere.arms["none"]})
    found = only(other, {"arm": DOT, "minus": NONE, "at_least": 0})
    assert found.note == NO_SENTENCES
    assert found.value == pytest.approx(only(whole, {"arm": DOT, "minus": NONE, "at_least": 0}).value)  # fmt: skip


# the verdict


@pytest.mark.parametrize(
    ("bounds", "verdict"),
    [({"at_least": 0}, "confirmed"), ({"at_most": 0}, "refuted"), ({"at_least": 37.5}, "undecided"),
     ({"at_least": 0, "at_most": 99}, "confirmed"), ({"at_least": 37.5, "at_most": 99}, "undecided"),
     ({"at_least": 99}, "refuted")],
)  # fmt: skip
def test_the_whole_interval_decides(bounds, verdict):
    found = only(made(SMALL, WORDS), {"arm": DOT, "minus": NONE, **bounds})
    assert found.value == pytest.approx(37.5)
    assert 0 < found.low < 37.5 < found.high < 99
    assert found.verdict == verdict


def test_the_mean_alone_decides_where_it_is_asked_for():
    found = only(made(SMALL, WORDS), {"arm": DOT, "minus": NONE, "judge": "mean", "at_least": 37.5})
    assert found.verdict == "confirmed"
    found = only(made(SMALL, WORDS), {"arm": DOT, "minus": NONE, "judge": "mean", "at_least": 37.6})
    assert found.verdict == "refuted"


def test_every_seed_must_hold():
    """Differences by seed: 50, 37.5, 25."""
    test = {"arm": DOT, "minus": NONE, "judge": "each_seed"}
    found = only(made(SMALL, WORDS), {**test, "at_least": 25})
    assert (found.verdict, found.low, found.high) == ("confirmed", 25.0, 50.0)
    assert only(made(SMALL, WORDS), {**test, "at_least": 26}).verdict == "refuted"
    fewer = {"none": SMALL["none"][:2], "dot": SMALL["dot"]}
    assert only(made(fewer, WORDS), {**test, "at_least": 0}).verdict == "undecided"


def test_the_study_is_refuted_by_one_test_and_confirmed_by_all():
    small = made(SMALL, WORDS)
    yes, no, open_ = ({"arm": DOT, "minus": NONE, "at_least": k} for k in (0, 99, 37.5))
    assert judge(small, prediction(yes, yes)).verdict == "confirmed"
    assert judge(small, prediction(yes, open_)).verdict == "undecided"
    assert judge(small, prediction(yes, open_, no)).verdict == "refuted"


# what is not known


def test_a_run_that_is_missing_leaves_its_tests_open_and_is_named():
    whole = made(SMALL, WORDS)
    lost = UnfinishedRun("r", "none", 4, {KEY: "none"}, "failed", "loss is nan")
    part = replace(whole, unfinished=(lost,))
    tests = {"arm": DOT, "minus": NONE, "at_least": 0}, {"arm": DOT, "at_least": 0}
    found = judge(part, prediction(*tests))
    assert [test.verdict for test in found.tests] == ["undecided", "confirmed"]
    assert "none: seed 4 failed" in found.tests[0].note
    assert found.tests[0].value == pytest.approx(37.5)


def test_a_number_that_no_run_has_leaves_the_test_open():
    found = only(made(SMALL, WORDS), {"arm": DOT, "metric": "test/speed", "at_least": 0})
    assert (found.verdict, math.isnan(found.value)) == ("undecided", True)
    assert "no run has test/speed; there are test/exact_match, test/loss" in found.note


def test_a_part_without_sentences_leaves_the_test_open():
    found = only(made(SMALL, WORDS), {"arm": DOT, "part": {"source_length": [9, 12]}, "at_least": 0})  # fmt: skip
    assert found.verdict == "undecided"
    assert "a part has 0 test sentences: sources of 9 to 12 words" in found.note


def test_a_search_that_no_run_has_leaves_the_test_open():
    found = only(made(SMALL, WORDS), {"arm": {**DOT, "search": "beam_5"}, "at_least": 0})
    assert found.verdict == "undecided"
    assert "no run is decoded by search=beam_5" in found.note


def test_a_prediction_that_is_changed_afterwards_is_refused(tmp_path):
    test = prediction({"arm": DOT, "minus": NONE, "at_least": 5})
    plan = Plan(errors={"none": 0.3, "dot": 0.1}, seeds=(1, 2), sentences=8, prediction=test)
    found = read_records(write_study(tmp_path / "kept", plan))
    judge(found, found.prediction)
    easier = prediction({"arm": DOT, "minus": NONE, "at_least": 1})
    with pytest.raises(ConfigError, match=r"config\.yaml: this run was made under another prediction"):  # fmt: skip
        judge(found, easier)
    plain = read_records(write_study(tmp_path / "plain", replace(plan, prediction=None)))
    with pytest.raises(ConfigError, match="or under none"):
        judge(plain, test)


def test_sentences_outside_a_part_leave_its_variance_alone():
    """A third term that weighs nothing brings the other sentences in: only degrees of freedom change, 7 for 3."""
    whole, part = made(SMALL, WORDS), {"source_length": [2, 3]}
    terms = [{"times": 1, "arm": DOT, "part": part}, {"times": -1, "arm": NONE, "part": part},
             {"times": 1e-12, "arm": DOT}]  # fmt: skip
    alone = only(whole, {"arm": DOT, "minus": NONE, "part": part, "at_least": 0})
    beside = only(whole, {"sum": terms, "at_least": 0})
    assert beside.high - beside.low == pytest.approx(alone.high - alone.low, rel=0.05)
