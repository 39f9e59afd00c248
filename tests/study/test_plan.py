import dataclasses
import json
import os

import pytest

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.files import held
from seq2seq_lab.study import ledger
from seq2seq_lab.study.matrix import Study, arm_label, find_study, run_name, study_place, swept
from seq2seq_lab.study.plan import begin, lines, plan, seconds_left, states
from seq2seq_lab.study.run import read_done, run_once, write_done

JOBS = [
    [f"model/attention={a}", f"seed={s}", "debug=tiny"] for a in ("none", "dot") for s in (1, 2)
]


def compose(overrides):
    given = dict(o.split("=") for o in overrides)
    if given["model/attention"] == "bad":
        raise ConfigError("model/attention=bad: no such option")
    return {
        "seed": int(given["seed"]),
        "attention": given["model/attention"],
        "torch_threads": None,
        "data": {"monitor": "val/chrf"},
    }


@pytest.fixture
def study(tmp_path):
    return plan("s", tmp_path / "s", JOBS, compose)[0]


def finish(study, run, seconds=2.0):
    folder = study.folder(run)
    (folder / "hypotheses").mkdir(parents=True)
    for name in ("config.yaml", "result.json", "hypotheses/test.jsonl"):
        (folder / name).write_text("{}")
    write_done(folder, run.content_hash, seconds)


def test_runs_are_the_product_of_factors_and_seeds(study):
    assert study.factors == {"model/attention": ("none", "dot")}
    assert study.seeds == (1, 2)
    assert study.fixed == ("debug=tiny",)
    assert study.metric == "test/chrf"
    assert [(c.arm, c.seed) for c in study.runs] == [
        ("attention=none", 1), ("attention=none", 2), ("attention=dot", 1), ("attention=dot", 2),
    ]  # fmt: skip
    assert study.runs[0].overrides == (*JOBS[0], "torch_threads=1")
    assert study.runs[0].name == f"attention_none-s1-{study.runs[0].content_hash[:8]}"
    assert len({c.content_hash for c in study.runs}) == 4


def test_a_plan_comes_back_from_disk(study):
    study.save()
    assert Study.load(study.place) == study
    stored = json.loads((study.place / "study.json").read_text())
    assert stored["seed_key"] == "seed"
    assert list(stored["runs"][0]) == ["run", "arm", "factors", "seed", "overrides", "content_hash"]


def test_threads_that_the_user_chose_stay(tmp_path):
    chosen, _ = plan("s", tmp_path, JOBS, lambda o: {**compose(o), "torch_threads": 2})
    assert chosen.runs[0].overrides == tuple(JOBS[0])
    assert chosen.runs[0].content_hash != plan("s", tmp_path, JOBS, compose)[0].runs[0].content_hash


def test_a_run_that_cannot_be_composed_leaves_the_others(tmp_path):
    found, broken = plan("s", tmp_path, [*JOBS, ["model/attention=bad", "seed=2"]], compose)
    assert len(found.runs) == 5
    assert broken == {found.runs[4].name: "ConfigError: model/attention=bad: no such option"}
    assert found.runs[4].seed == 2


def test_values_in_common_are_no_factors():
    assert swept([["a=1", "b=2", "c=x=y"], ["a=1", "b=3", "c=x=z"]]) == {
        "b": ("2", "3"),
        "c": ("x=y", "x=z"),
    }


def test_names_say_what_a_run_is():
    assert arm_label({"model": "lstm", "model/order": "after"}) == "model=lstm, order=after"
    assert arm_label({}) == "all"
    assert run_name("model=lstm, order=after", 3, "ab" * 32) == "model_lstm-order_after-s3-abababab"
    assert len(run_name("x" * 500, 1, "ab" * 32)) < 200
    assert "/" not in run_name("path=../../a b", 1, "ab" * 32)


@pytest.mark.parametrize("name", ["", "a/b", "..", ".a", "a b", "a\nb"])
def test_a_name_that_is_no_folder_name_is_refused(name):
    with pytest.raises(ConfigError, match="study="):
        study_place(name, None)


def test_a_study_is_found_by_name_and_by_folder(study, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    study.save()
    assert find_study(str(study.place)) == study.place
    assert str(find_study("s")) == "outputs/studies/s"
    with pytest.raises(ConfigError, match="no study there"):
        Study.load(find_study("nope"))


def test_a_damaged_plan_is_reported(study):
    study.save()
    (study.place / "study.json").write_text('{"runs": [{}]}')
    with pytest.raises(ConfigError, match="not the plan of a study"):
        Study.load(study.place)


# what is left to do


def test_a_prediction_is_kept_from_the_first_run_on(study):
    expected = dataclasses.replace(study, prediction={"claim": "more is more"})
    changed = dataclasses.replace(study, prediction={"claim": "less is more"})
    begin(changed)
    begin(expected)  # nothing has run yet
    assert Study.load(study.place).prediction == {"claim": "more is more"}
    ledger.append(study.ledger, "started", study.runs[0].name, 1, study.runs[0].content_hash)
    begin(expected)
    with pytest.raises(ConfigError, match="began with another prediction, which is in study"):
        begin(changed)
    assert Study.load(study.place).prediction == {"claim": "more is more"}


def test_all_states_are_reported(study):
    begin(study)
    first, second, third, fourth = study.runs
    finish(study, first)
    ledger.append(study.ledger, "started", second.name, 1, second.content_hash)
    ledger.append(study.ledger, "failed", third.name, 1, third.content_hash, "no luck", 1.0)
    with held(study.lock(fourth)):
        assert [s.kind for s in states(study)] == ["done", "interrupted", "failed", "running"]
        told = lines(study, states(study))
    assert told[1] == f"{third.name}: failed (no luck)"
    assert told[-1] == "study s: 4 runs: 1 done, 1 failed, 1 interrupted, 1 running"


def test_what_a_crash_left_is_written_down(study):
    assert [c.name for c in begin(study)] == [c.name for c in study.runs]
    first, second, *_ = study.runs
    for run in (first, second):
        ledger.append(study.ledger, "started", run.name, 1, run.content_hash)
    finish(study, first)  # killed between done.json and the ledger
    assert begin(study) == list(study.runs[1:])
    newest = ledger.last(ledger.read(study.ledger))
    assert (newest[first.name].event, newest[first.name].seconds) == ("done", 2.0)
    assert newest[second.name].event == "interrupted"
    before = len(ledger.read(study.ledger))
    begin(study)
    assert len(ledger.read(study.ledger)) == before


@pytest.mark.parametrize(
    "name", ["result.json", "config.yaml", "hypotheses/test.jsonl", "done.json"]
)
def test_a_tampered_file_makes_a_run_undone(study, name):
    run = study.runs[0]
    finish(study, run)
    assert read_done(study.folder(run), run.content_hash)
    (study.folder(run) / name).write_text('{"test/bleu": 100}')
    assert read_done(study.folder(run), run.content_hash) is None


@pytest.mark.parametrize("name", ["/dev/zero", "../../x", "/etc/hostname", "pipe", "checkpoints"])
def test_a_recorded_name_that_is_no_file_of_the_run_is_never_read(study, name):
    run = study.runs[0]
    finish(study, run)
    folder = study.folder(run)
    os.mkfifo(folder / "pipe")
    path = folder / "done.json"
    done = json.loads(path.read_text())
    path.write_text(json.dumps({**done, "sha256": {name: "0" * 64, **done["sha256"]}}))
    assert read_done(folder, run.content_hash) is None


def test_the_run_of_another_content_hash_is_not_done(study):
    finish(study, study.runs[0])
    assert read_done(study.folder(study.runs[0]), study.runs[1].content_hash) is None


def test_the_time_left_follows_from_the_mean(study):
    assert seconds_left(states(study), 2) is None
    finish(study, study.runs[0], 10.0)
    finish(study, study.runs[1], 30.0)
    assert seconds_left(states(study), 1) == 40.0
    assert seconds_left(states(study), 2) == 20.0
    assert seconds_left(states(study), 8) == 20.0


# one run


def test_a_run_held_by_a_live_process_is_refused(study, tmp_path):
    folder = tmp_path / "s" / "runs" / "x-00000000"
    with held(folder.parent.parent / "locks" / "x-00000000.lock"):
        run_once({"run_dir": str(folder)}, lambda: pytest.fail("ran"), print)
    (event,) = ledger.read(study.ledger)
    assert (event.event, event.reason) == ("skipped", "another process runs it")


def test_code_that_changed_since_the_plan_is_refused(study, tmp_path, capsys):
    run_once(
        {"run_dir": str(study.place / "runs" / "x-00000000")}, lambda: pytest.fail("ran"), print
    )
    assert ledger.read(study.ledger)[-1].event == "failed"
    assert "changed after the study was planned" in capsys.readouterr().err
