"""`runs` as a user types it: what it lists, in which order, and one line where something is wrong."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from seq2seq_lab.commands.dispatch import carry_out
from support.listed_runs import CHOICES, CONFIG, Made, write_run
from support.small_runs import ROOT, tiny_run
from support.study_folder import Plan, write_study

LR = {**CONFIG, "training": {"optimizer": {"lr": 0.01}, "logger": None}}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with three runs and a study of two; copied for each test."""
    place = tmp_path_factory.mktemp("made")
    common = ("model.dim=64",)
    write_run(place / "outputs/lstm_attn_numbers/one", Made(0.3, overrides=(*common, "seed=1")))
    additive = {**CHOICES, "model/attention": "additive"}
    words = (*common, "model/attention=additive", "training.optimizer.lr=0.01", "seed=2")
    facts = {"seconds": 12.5, "sweep": "s1"}
    write_run(place / "outputs/two", Made(0.05, 2, words, additive, LR, facts))
    failure = {"failure": "NotFiniteError: loss is nan"}
    failed = Made(0.1, 3, common, manifest=failure, is_finished=False)
    write_run(place / "outputs/deep/er/three", failed)
    write_study(place / "outputs/studies/mine", Plan({"dot": 0.2}, (1, 2), sentences=8))
    return place


@pytest.fixture
def runs(made, monkeypatch, tmp_path, capsys):
    """The command in such a folder: arguments -> (exit code, output, errors)."""
    shutil.copytree(made / "outputs", tmp_path / "outputs")
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = carry_out(["runs", *map(str, arguments)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def rows(output):
    return list(csv.DictReader(io.StringIO(output)))


def test_all_runs_are_listed_at_any_depth_the_newest_first(runs):
    code, out, err = runs()
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split() == [
        "state", "test/bleu", "seed", "seconds", "parameters", "model", "data", "overrides", "folder"
    ]  # fmt: skip
    assert [line.split()[-1] for line in lines if "outputs/" in line][:1] == [
        "outputs/deep/er/three"
    ]
    assert "NotFiniteError: loss is nan" in out
    assert err == "5 runs: 4 done, 1 failed\n"
    assert "\x1b" not in out


def test_metric_interval_seconds_and_what_differs_are_shown(runs):
    _, out, _ = runs("--sort", "test/chrf", "--limit", 1)
    found = json.loads(runs("--json", "--sort", "test/chrf", "--limit", 1)[1])[0]
    intervals = Path("outputs/two/hypotheses/intervals.json").read_text()
    stored = json.loads(intervals)["test"]["bleu"]
    assert [found["test/bleu_low"], found["test/bleu_high"]] == stored
    line = out.splitlines()[1]
    assert f"[{stored[0]:.2f}, {stored[1]:.2f}]" in line
    assert "12.5" in line
    assert line.endswith("outputs/two")


def test_overrides_that_all_have_are_left_out(runs):
    _, out, _ = runs("--where", "model.dim=64", "--where", "state=done", "--csv")
    by_folder = {row["folder"]: row["overrides"] for row in rows(out)}
    assert by_folder == {
        "outputs/two": "model/attention=additive training.optimizer.lr=0.01",
        "outputs/lstm_attn_numbers/one": "",
    }
    _, out, _ = runs("--where", "model.dim=64", "--where", "state=done")
    assert "attention=additive lr=0.01" in out
    assert "model/attention" not in out


@pytest.mark.parametrize(
    ("where", "names"),
    [
        (["attention=additive"], ["two"]),
        (["model/attention=dot", "state=done"], ["one"]),
        (["state!=done"], ["three"]),
        (["study=mine", "seed=2"], ["mine"]),
        (["training.optimizer.lr>=0.01"], ["two"]),
        (["lr<0.01"], ["three", "one"]),
        (["seconds>20"], ["mine", "mine"]),
        (["started>2026-11-22"], ["three", "two"]),
        (["chrf>200"], []),
        (["model.encoder.layers=1", "seed<=2"], ["two", "one"]),
    ],
)
def test_where_chooses(runs, where, names):
    code, out, err = runs("--csv", *(word for one in where for word in ("--where", one)))
    found = [row["folder"] for row in rows(out)]
    assert code == 0, err
    assert sorted(next(n for n in names if n in f) for f in found) == sorted(names)
    assert len(found) == len(names)


def test_runs_without_a_key_are_counted_and_come_last(runs):
    _, out, err = runs("--where", "lr<1", "--csv")
    assert "left out: 2 of 5 runs, which have no training.optimizer.lr" in err
    _, out, _ = runs("--sort", "test/bleu", "--csv")
    scores = [row["test/bleu"] for row in rows(out)]
    assert scores[-1] == ""
    numbers = [float(one) for one in scores[:-1]]
    assert numbers == sorted(numbers, reverse=True)
    _, out, _ = runs("--sort", "test/loss", "--reverse", "--csv")
    assert [row["folder"] for row in rows(out)][-1] == "outputs/deep/er/three"


def test_less_is_better_of_a_loss(runs):
    _, out, _ = runs("--sort", "test/loss", "--columns", "test/loss", "--csv")
    found = [float(row["test/loss"]) for row in rows(out) if row["test/loss"]]
    assert found == sorted(found)
    assert len(found) == 4


def test_columns_replace_or_add(runs):
    _, out, _ = runs("--columns", "folder,lr", "--csv")
    assert list(rows(out)[0])[:2] == ["folder", "training.optimizer.lr"]
    _, out, _ = runs("--columns", "+study,lr", "--csv", "--metric", "test/exact_match")
    assert list(rows(out)[0])[-4:] == ["study", "training.optimizer.lr", "folder", "reason"]
    assert "test/exact_match_low" in rows(out)[0]


def test_an_older_run_has_model_and_data_by_name_and_overrides_by_its_command(runs):
    _, out, _ = runs("mine", "--csv")
    found = rows(out)
    assert {(row["model"], row["data"]) for row in found} == {("lstm_attn", "numbers")}
    assert sorted(row["seed"] for row in found) == ["1", "2"]
    assert {row["seconds"] for row in found} == {"101.0", "102.0"}


BROKEN = {
    "manifest.json": ("{", "manifest.json: not JSON"),
    "result.json": ("[1]", "result.json: not a JSON object"),
    "hypotheses/intervals.json": ("null", "hypotheses/intervals.json: not a JSON object"),
    "config.yaml": (None, "no config.yaml"),
}


def damaged_runs_are_listed(run, folder):
    for name, (text, says) in BROKEN.items():
        path = folder / "outputs" / "two" / name
        whole = path.read_bytes()
        path.unlink() if text is None else path.write_text(text)
        code, out, _ = run("--columns", "state,folder", "--csv")
        found = {row["folder"]: row for row in rows(out)}
        path.write_bytes(whole)
        assert code == 0
        assert found["outputs/two"]["state"] == "damaged"
        assert says in found["outputs/two"]["reason"]


def test_damaged_runs_are_listed_with_what_is_wrong(runs, tmp_path):
    damaged_runs_are_listed(runs, tmp_path)


def test_planted_silence_about_damage_is_caught(runs, tmp_path, monkeypatch):
    from seq2seq_lab.report import run_list

    monkeypatch.setattr(run_list, "_read", lambda *_: {})
    with pytest.raises(AssertionError):
        damaged_runs_are_listed(runs, tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        {"seed": [1], "overrides": 7, "choices": [], "name": {"a": 1}, "started": 5, "seconds": "x"},
        {"resumed": 1, "failure": ["a"], "command": [None, 3]},
        {"name": "a\x1b[31m\nb", "seed": float("nan")},
    ],
)  # fmt: skip
def test_a_manifest_with_other_types_harms_nothing(runs, tmp_path, content):
    (tmp_path / "outputs/two/manifest.json").write_text(json.dumps(content))
    for further in ((), ("--csv",), ("--json",), ("--sort", "seed"), ("--where", "seed=1")):
        code, out, err = runs("--columns", "+name,started", *further)
        assert code == 0, err
        if further != ("--csv",):
            assert "\x1b" not in out


def test_a_pipe_in_place_of_a_file_is_not_read(runs, tmp_path):
    path = tmp_path / "outputs" / "two" / "manifest.json"
    path.unlink()
    os.mkfifo(path)
    code, out, _ = runs("--csv")
    assert code == 0
    assert "manifest.json: not a file" in out


def test_a_locked_run_is_running_and_its_lock_stays_as_it_is(runs, tmp_path):
    path = tmp_path / "outputs" / "two" / ".lock"
    with FileLock(path):
        path.write_text("process 7 on here\n")
        _, out, _ = runs("--where", "state=running", "--csv")
        assert [row["folder"] for row in rows(out)] == ["outputs/two"]
        assert path.read_text() == "process 7 on here\n"
    path.write_text("left behind")
    assert runs("--where", "state=running", "--csv")[2].startswith("0 of 5 runs")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["absent"], "absent: no such folder; give"),
        (["empty"], "empty: no runs there; give"),
        (["--where", "atention=dot"], "--where atention: no run has this key; did you mean model/attention"),
        (["--where", "attention"], "write KEY=VALUE"),
        (["--where", "model<3"], "< compares numbers"),
        (["--sort", "test/belu"], "did you mean test/bleu"),
        (["--metric", "test/nothing"], "--metric test/nothing: no run has this key"),
        (["--columns", ","], "names no key"),
        (["--columns", "dim"], "may be model.decoder.dim, model.dim, model.encoder.dim; write it out"),
        (["--columns", "m.dim"], "no run has this key"),
        (["--limit", "0"], "whole number >= 1"),
        (["--csv", "--json"], "not allowed with"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(runs, tmp_path, arguments, says):
    (tmp_path / "empty").mkdir()
    code, out, err = runs(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err


def test_a_list_needs_neither_torch_nor_lightning_nor_config_yaml(runs, tmp_path):
    for path in tmp_path.rglob("config.yaml"):
        path.write_text(": no yaml [")
    code = (
        "import sys; from seq2seq_lab.commands.dispatch import carry_out; assert carry_out(['runs']) == 0; "
        "print(sorted({'torch', 'pytorch_lightning', 'hydra', 'wandb', 'yaml'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_real_run_has_its_seconds_and_intervals(capsys):
    folder = tiny_run()
    capsys.readouterr()
    assert carry_out(["runs", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)[0]
    assert found["state"] == "done"
    assert found["seconds"] > 0
    assert found["test/bleu_low"] <= found["test/bleu"] <= found["test/bleu_high"]
    assert found["model"] == "lstm_attn"
    assert found["data"] == "copy"


def test_the_script_that_measures_makes_folders_that_are_listed(tmp_path, capsys):
    script = [sys.executable, str(ROOT / "scripts" / "benchmark" / "run_folders.py")]
    line = [*script, str(tiny_run()), str(tmp_path / "many"), "--count", "4"]
    done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.count(" s  runs FOLDER") == 3
    assert carry_out(["runs", str(tmp_path / "many"), "--csv"]) == 0
    assert len(rows(capsys.readouterr().out)) == 4
