"""Hyperparameter search: space, metric, resumption after an interruption; trials are fakes but for two tests."""

import json
import os
from pathlib import Path
from unittest import mock

import pytest

from seq2seq_lab.commands import dispatch, tune
from seq2seq_lab.errors import ConfigError, ResourceError
from seq2seq_lab.files import locked
from seq2seq_lab.metrics.table import lower_is_better
from seq2seq_lab.study.tuning import Dimension, Search, parse_space
from support.small_runs import run_command, train

SPACE = ["training.optimizer.lr=log(1e-4,1e-1)", "model.dim=choice(8,16)"]


class Fake:
    """Writes the result of a run whose best learning rate is 0.01."""

    def __init__(self, codes=()):
        self.calls: list[list[str]] = []
        self.codes = list(codes)

    def __call__(self, overrides: list[str], run_dir: Path) -> int:
        self.calls.append(overrides)
        code = self.codes.pop(0) if self.codes else 0
        if code is KeyboardInterrupt:
            raise code
        values = dict(text.split("=") for text in overrides)
        assert values["run_dir"] == str(run_dir)
        ratio = float(values["training.optimizer.lr"]) / 0.01
        score = 50.0 - abs(ratio - 1 / ratio) + int(values["model.dim"])
        run_dir.mkdir(parents=True)
        result = {"val/bleu": score, "val/loss": -score, "test/bleu": -score}
        (run_dir / "result.json").write_text(json.dumps(result))
        return code


def search(folder, texts=SPACE, metric="val/bleu", fixed=("debug=tiny",)):
    space, _ = parse_space(list(texts))
    return Search(folder, space, list(fixed), metric, 1)


def carry_out(found, fake, trials):
    while found.count() < trials:
        found.step(fake)


def test_the_space_and_the_fixed_overrides_are_reported_apart():
    space, fixed = parse_space(
        [*SPACE, "model=lstm", "data.train=[a,b]", "model.num_layers=int(1,3)"]
    )
    assert fixed == ["model=lstm", "data.train=[a,b]"]
    assert space == [
        Dimension("training.optimizer.lr", "log", ("1e-4", "1e-1")),
        Dimension("model.dim", "choice", ("8", "16")),
        Dimension("model.num_layers", "int", ("1", "3")),
    ]
    assert [one.lowest() for one in space] == ["0.0001", "8", "1"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model=lstm", "nothing to search"),
        ("a=log(0,1)", r"a=log\(0,1\): must be 0 < LOW < HIGH"),
        ("a=uniform(1,1)", "must be LOW < HIGH"),
        ("a=int(1.5,2)", "two numbers"),
        ("a=log(1)", "two numbers"),
        ("a=choice(1,,2)", "an empty value"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused(text, says):
    with pytest.raises(ConfigError, match=says):
        parse_space([text])


def test_it_finds_what_is_best_on_validation(tmp_path):
    found, fake = search(tmp_path), Fake()
    carry_out(found, fake, 25)
    overrides, value = found.best()
    assert overrides[0] == "debug=tiny"
    assert overrides[2] == "model.dim=16"
    assert 0.004 < float(overrides[1].partition("=")[2]) < 0.025
    results = [json.loads(p.read_text()) for p in tmp_path.glob("trials/*/result.json")]
    assert value == max(r["val/bleu"] for r in results)


def test_a_loss_is_minimized(tmp_path):
    found = search(tmp_path, metric="val/loss")
    carry_out(found, Fake(), 8)
    results = [json.loads(p.read_text()) for p in tmp_path.glob("trials/*/result.json")]
    assert found.best()[1] == min(r["val/loss"] for r in results)


@pytest.mark.parametrize("metric", ["test/bleu", "train/loss", "bleu", "test/val/bleu"])
def test_nothing_but_validation_may_judge(tmp_path, metric):
    with pytest.raises(ConfigError, match=r"must be val/\.\.\."):
        search(tmp_path, metric=metric)


def test_finished_trials_are_not_run_again(tmp_path):
    first, second = Fake(), Fake()
    carry_out(search(tmp_path), first, 3)
    carry_out(search(tmp_path), second, 5)
    assert (len(first.calls), len(second.calls)) == (3, 2)
    texts = [" ".join(call[1:2]) for call in [*first.calls, *second.calls]]
    assert len(set(texts)) == 5  # a sampler that begins anew would propose the first again
    third = Fake()
    carry_out(search(tmp_path), third, 5)
    assert third.calls == []


def test_values_that_were_tried_are_not_run_again(tmp_path):
    found, fake = (
        search(tmp_path, ["model.dim=choice(8,16)"], fixed=["training.optimizer.lr=0.01"]),
        Fake(),
    )
    carry_out(found, fake, 6)
    assert len(fake.calls) == 2
    assert found.best() == (["training.optimizer.lr=0.01", "model.dim=16"], 66.0)


def test_an_interrupted_trial_is_the_first_of_the_next_start(tmp_path):
    found, fake = search(tmp_path), Fake([0, KeyboardInterrupt])
    with pytest.raises(KeyboardInterrupt):
        carry_out(found, fake, 3)
    again, after = search(tmp_path), Fake()
    assert again.count() == 1
    carry_out(again, after, 3)
    assert len(after.calls) == 2
    assert after.calls[0][:3] == fake.calls[1][:3]
    assert after.calls[0][3] != fake.calls[1][3]  # a folder of its own


def test_a_failed_trial_counts_and_never_wins(tmp_path):
    found = search(tmp_path)
    lines = [found.step(Fake([4])), found.step(Fake())]
    assert "failed (training ended with code 4)" in lines[0]
    assert found.count() == 2
    assert lines[1].split()[2] in found.best()[0]


def test_a_search_without_a_finished_trial_says_so(tmp_path):
    found = search(tmp_path)
    found.step(Fake([2]))
    with pytest.raises(ResourceError, match="no trial finished"):
        found.best()


def test_another_search_in_the_same_folder_is_refused(tmp_path):
    search(tmp_path)
    with pytest.raises(ConfigError, match="another fixed"):
        search(tmp_path, fixed=["debug=overfit"])


def test_directions():
    assert [lower_is_better(n) for n in ("val/loss", "val/perplexity", "test/exposure_bias")] == [
        True
    ] * 3
    assert [lower_is_better(n) for n in ("val/bleu", "val/exact_match", "test/chrf")] == [False] * 3


FEW = (
    "debug=tiny", "data=copy", "data.max_pairs=8", "data.corpus.num_train=16", "data.corpus.num_val=8",
    "data.corpus.num_test=8", "training.trainer.max_epochs=1", "training/logger=csv", "model.dim=choice(8,12)",
)  # fmt: skip


def command(capsys, *arguments):
    with mock.patch.object(tune, "train", lambda _, overrides: train(*overrides)):
        code = dispatch.carry_out(["tune", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_trials_are_runs_like_any_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, out, err = command(capsys, "widths", "--trials", "2", *FEW)
    assert code == 0, err
    assert out.splitlines()[-1].startswith(" ".join(FEW[:-1]) + " model.dim=")
    run = tmp_path / "outputs" / "tuning" / "widths" / "trials" / "0"
    assert (run / "checkpoints" / "best.ckpt").exists()
    assert f"val/bleu {json.loads((run / 'result.json').read_text())['val/bleu']:g}" in err


def test_two_processes_do_not_search_in_one_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with locked(tmp_path / "outputs" / "tuning" / "widths" / ".lock", "wait"):
        code, _, err = command(capsys, "widths", *FEW)
    assert (code, err.count("\n")) == (2, 1)
    assert f"in use by process {os.getpid()} on " in err
    assert "choose another NAME" in err


@pytest.mark.parametrize(
    "content", ["{}\n", "[1]\n", "\x00\x01\n", '{"op_code": 99}\n', "[" * 99_999]
)
def test_a_journal_of_something_else_is_refused_and_stays(tmp_path, monkeypatch, capsys, content):
    monkeypatch.chdir(tmp_path)
    journal = tmp_path / "outputs" / "tuning" / "widths" / "journal.log"
    journal.parent.mkdir(parents=True)
    journal.write_text(content)
    code, _, err = command(capsys, "widths", *FEW)
    assert (code, err.count("\n")) == (6, 1), err
    assert "journal.log: not the journal of a search" in err
    assert journal.read_text() == content


def test_a_line_that_a_full_disk_left_torn_costs_no_trial(tmp_path):
    carry_out(search(tmp_path), Fake(), 1)
    with (tmp_path / "journal.log").open("a") as file:
        file.write('{"op_code":4,"wor')
    carry_out(search(tmp_path), fake := Fake(), 2)
    assert len(fake.calls) == 1
    assert search(tmp_path).count() == 2


WRONG = {
    "test": (["a", *SPACE, "--metric", "test/bleu"], "--metric test/bleu: must be val/"),
    "trials": (["a", *SPACE, "--trials", "0"], "--trials 0: must be >= 1"),
    "seed": (["a", *SPACE, "--seed", "-1"], "--seed -1: must be from 0 to"),
    "name": ([*SPACE], "the name of the search comes first"),
    "a folder above": (["..", *SPACE], "..: the name of the search comes first"),
    "an escape": (["\x1b[31mred", *SPACE], "\\x1b[31mred: the name of the search"),
    "key": (["a", "model.dmi=int(8,16)"], "did you mean model.dim?"),
    "value": (["a", "model.dim=choice(eight,16)"], "model.dim: expected int"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_one_line_and_nothing_is_run(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    arguments, says = WRONG[name]
    code, _, err = command(capsys, *arguments)
    assert (code, err.count("\n")) == (2, 1)
    assert says in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_command_in_processes_of_its_own(tmp_path):
    arguments = ("widths", "--trials", "2", *FEW)
    done = run_command("tune", *arguments, cwd=tmp_path, timeout=250)
    assert done.returncode == 0, done.stderr.decode()
    again = run_command("tune", *arguments, cwd=tmp_path)
    assert b"trial" not in again.stderr.replace(b"of 2 trials", b"")
    assert again.stdout == done.stdout
