"""`plan` as a user types it: seeds, sentences and hours, and one line where something is wrong."""

import json
import shutil

import pytest

from seq2seq_lab.commands.dispatch import carry_out
from support.study_folder import Plan, write_study

PILOT = Plan(
    errors={"none": 0.4, "dot": 0.1, "additive": 0.2},
    seeds=(1, 2, 3),
    sentences=30,
    seed_spread=0.02,
)


@pytest.fixture(scope="module")
def pilot(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("studies") / "pilot", PILOT)


def plan(*words) -> int:
    return carry_out(["plan", *map(str, words)])


def test_every_arm_gets_its_seeds_sentences_and_hours(pilot, capsys):
    assert plan(pilot, "--effect", 12, "--metric", "test/bleu") == 0
    shown = capsys.readouterr().out
    assert "test/bleu, effect 12, power asked 0.8" in shown
    for arm in ("dot", "additive"):
        assert f"attention={arm} - attention=none (3 and 3 seeds)" in shown
    assert shown.count("needed at 30 sentences: ") == 2
    assert "300 sentences" in shown
    assert "more sentences alone: " in shown


def test_json_has_the_numbers_of_the_text(pilot, capsys):
    words = (pilot, "--effect", 30, "--arm", "attention=dot", "--metric", "test/bleu")
    assert plan(*words, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    (arm,) = found["arms"]
    assert arm["arm"] == "attention=dot"
    power = {(seeds, size): value for seeds, size, value in arm["table"]}
    assert power[30, 30] > power[3, 30]
    assert power[3, 300] > power[3, 30]
    needed = arm["seeds"]
    cost = arm["cost"]
    assert (cost["runs"], cost["runs_left"]) == (2 * needed, 2 * max(needed - 3, 0))
    assert cost["hours"] == pytest.approx(
        2 * needed * 102.0 / 3600
    )  # seeds 1, 2, 3 took 101, 102 and 103 s
    assert cost["hours_left"] == pytest.approx(2 * max(needed - 3, 0) * 102.0 / 3600)
    assert plan(*words) == 0
    assert f": {needed} seeds for each arm" in capsys.readouterr().out


def test_a_metric_that_sentences_do_not_determine_is_planned_over_seeds(pilot, capsys):
    assert plan(pilot, "--effect", 1, "--metric", "test/loss", "--arm", "attention=dot") == 0
    shown = capsys.readouterr().out
    assert "sentences do not determine this metric" in shown
    assert "more sentences alone" not in shown


def test_an_arm_of_one_seed_is_named_and_the_others_are_planned(pilot, tmp_path, capsys):
    place = tmp_path / "partly"
    shutil.copytree(pilot, place)
    for folder in [*place.glob("runs/*dot-s2-*"), *place.glob("runs/*dot-s3-*")]:
        shutil.rmtree(folder)
    assert plan(place, "--effect", 5) == 0
    told = capsys.readouterr()
    assert told.err.startswith("note: attention=dot: fewer than 2 seeds")
    assert told.err.count("\n") == 1
    assert "attention=additive - attention=none" in told.out
    assert plan(place, "--effect", 5, "--arm", "attention=dot") == 2
    assert "error: attention=dot: fewer than 2 seeds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--effect", "0"], "must be a number > 0"),
        (["--effect", "nan"], "must be a number > 0"),
        (["--effect", "much"], "must be a number > 0"),
        ([], "--effect"),
        (["--effect", "1", "--power", "1"], "must be between 0.05 and 1"),
        (["--effect", "1", "--metric", "bleu"], "test/NAME"),
        (["--effect", "1", "--metric", "test/absent"], "no finished run has it"),
        (["--effect", "1", "--arm", "attention=dott"], "did you mean attention=dot?"),
        (["--effect", "1", "--arm", "attention=none"], "beside the baseline"),
    ],
)
def test_mistakes_are_one_line(pilot, capsys, words, says):
    assert plan(pilot, *words) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1


def test_studies_that_say_nothing(tmp_path, capsys):
    one = write_study(tmp_path / "one", Plan(errors={"none": 0.4}, seeds=(1, 2), sentences=8))
    none = write_study(tmp_path / "none", Plan(errors=PILOT.errors, seeds=(1, 2), sentences=8))
    shutil.rmtree(none / "runs")
    for place, says in (
        (one, "one arm"), (none, "0 arms have a finished run"), (tmp_path, "no study there")
    ):  # fmt: skip
        assert plan(place, "--effect", 1) == 2
        told = capsys.readouterr().err
        assert says in told
        assert told.count("\n") == 1
