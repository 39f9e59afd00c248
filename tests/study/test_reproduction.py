"""A stored run made again, judged bit-equal, within interval or different; and what is told around it."""

import json
import shutil
from unittest import mock

import pytest

from seq2seq_lab.commands import reproduce
from seq2seq_lab.commands.dispatch import carry_out
from seq2seq_lab.study import reproduction
from support.small_runs import rows, run_command, tiny_run, train


@pytest.fixture
def copy(tmp_path):
    """A run folder to be tampered with."""
    return shutil.copytree(tiny_run(), tmp_path / "copy")


def command(capsys, *arguments, trainer=None):
    again = trainer or (lambda flags, threads: train(*flags))
    with mock.patch.object(reproduce, "train", again):
        try:
            code = carry_out(["reproduce", *map(str, arguments)])
        except SystemExit as end:
            code = end.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_run_made_again_is_bit_equal(copy, capsys):
    code, out, err = command(capsys, copy)
    assert (code, out.splitlines()[-1]) == (0, "bit-equal")
    assert "warning" not in err
    new = copy.with_name("copy_reproduced")
    assert reproduction.numbers_of(new) == reproduction.numbers_of(copy)
    assert f"new:    {new}" in out


@pytest.mark.slow
def test_a_number_that_a_planted_bug_changed_is_not_bit_equal(copy, capsys, monkeypatch):
    """Negative control: training that differs in the last bits of its first step."""
    from seq2seq_lab.training.module import Seq2SeqModule

    right = Seq2SeqModule.training_step
    monkeypatch.setattr(Seq2SeqModule, "training_step", lambda *a: right(*a) * 1.01)
    _, out, _ = command(capsys, copy)
    assert out.splitlines()[-1] in ("within interval", "different")


def tampered(folder, bleu):
    path = folder / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "test/bleu": bleu}))


@pytest.fixture
def half_right(tmp_path):
    """A stored run whose every second hypothesis is its reference."""
    folder = shutil.copytree(tiny_run(), tmp_path / "half")
    path = folder / "hypotheses" / "test.jsonl"
    found = [r | {"hypothesis": r["reference"] * (r["id"] % 2)} for r in rows(path)]
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return folder


def test_the_interval_decides_between_within_and_different(half_right, tmp_path):
    copy = shutil.copytree(half_right, tmp_path / "copy")
    low, high = reproduction.interval(half_right, "test/bleu")
    assert 0 < low < high < 100
    for value, outcome in (
        ((low + high) / 2, "within interval"),
        (low, "within interval"),
        (high + 0.01, "different"),
        (low - 0.01, "different"),
        (None, "different"),
    ):
        tampered(copy, value)
        found = reproduction.compare(half_right, copy, "test/bleu")
        assert found.outcome == outcome
        assert found.lines[0].startswith("1 of ")


def test_one_other_hypothesis_is_not_bit_equal(copy):
    path = copy / "hypotheses" / "val.jsonl"
    path.write_text(path.read_text().replace('"id": 5,', '"id":  5,'))
    found = reproduction.compare(tiny_run(), copy, "test/bleu")
    assert found.outcome == "within interval"
    assert "hypotheses/val.jsonl differs" in found.lines


def test_scores_that_a_stored_study_leaves_out_are_no_difference(copy, tmp_path):
    stored = shutil.copytree(copy, tmp_path / "stored")
    path = stored / "hypotheses" / "test.jsonl"
    kept = [{k: v for k, v in row.items() if k != "score"} for row in rows(path)]
    assert kept != list(rows(path))
    path.write_text("".join(json.dumps(row) + "\n" for row in kept))
    assert reproduction.compare(stored, copy, "test/bleu").outcome == "bit-equal"
    kept[3]["hypothesis"] += "."
    path.write_text("".join(json.dumps(row) + "\n" for row in kept))
    found = reproduction.compare(stored, copy, "test/bleu")
    assert "hypotheses/test.jsonl differs" in found.lines


def test_speed_is_no_difference(copy):
    path = copy / "result.json"
    numbers = json.loads(path.read_text())
    path.write_text(json.dumps({**numbers, "train/tokens_per_second": 1.0}))
    assert "train/tokens_per_second" in numbers
    assert reproduction.compare(tiny_run(), copy, "test/bleu").outcome == "bit-equal"


def test_different_ends_with_code_1_and_manifests_are_compared(copy, capsys):
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["versions"]["torch"] = "0.1"
    manifest["data"]["test"] = "0" * 64
    manifest["hardware"]["torch_threads"] = 77
    (copy / "manifest.json").write_text(json.dumps(manifest))
    threads_seen = []

    def trainer(flags, threads):
        threads_seen.append(threads)
        shutil.copytree(tiny_run(), copy.with_name("new"))
        tampered(copy.with_name("new"), 99.0)
        return 0

    code, out, err = command(capsys, copy, "--output", copy.with_name("new"), trainer=trainer)
    assert (code, out.splitlines()[-1], threads_seen) == (1, "different", [77])
    told = err.splitlines()
    assert len(told) == 3
    assert told[0].startswith("warning: versions torch: 0.1 -> ")
    assert told[1].startswith("warning: data test: 000000000000... -> ")
    assert told[2].startswith("warning: hardware torch_threads: 77 -> ")


def test_a_run_that_fails_again_is_reported(copy, capsys):
    code, _, err = command(capsys, copy, trainer=lambda flags, threads: 4)
    assert code == 1
    assert "training ended with code 4" in err


def test_the_new_folder_is_never_a_used_one(copy):
    copy.with_name("copy_reproduced").mkdir()
    assert reproduce.new_folder(copy, None).name == "copy_reproduced-2"


@pytest.mark.parametrize("place", [".", "new", "checkpoints", "../{name}/new"])
def test_a_new_folder_inside_the_stored_run_is_refused(copy, capsys, place):
    before = sorted(copy.rglob("*"))
    code, _, err = command(capsys, copy, "--output", copy / place.format(name=copy.name))
    assert (code, err.count("\n")) == (2, 1)
    assert "lies in the stored run" in err
    assert sorted(copy.rglob("*")) == before


WRONG = {
    "no run": (lambda run: shutil.rmtree(run / "hypotheses"), [], 6, "no hypotheses/test.jsonl"),
    "broken": (lambda run: (run / "manifest.json").write_text("{"), [], 6, "not JSON"),
    "list": (lambda run: (run / "manifest.json").write_text("[]"), [], 6, "not a JSON object"),
    "yaml": (lambda run: (run / "config.yaml").write_text("a: ["), [], 6, "not the YAML of a run"),
    "config": (lambda run: (run / "config.yaml").write_text("a: 1"), [], 6, "not the config"),
    "metric": (lambda run: None, ["--metric", "test/loss"], 2, "test/loss: loss: no interval"),
    "split": (lambda run: None, ["--metric", "dev/bleu"], 2, "no dev.jsonl"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_one_line(copy, capsys, name):
    spoil, arguments, code, says = WRONG[name]
    spoil(copy)
    found, _, err = command(capsys, copy, *arguments)
    assert (found, err.count("\n")) == (code, 1)
    assert says in err


@pytest.mark.slow
def test_the_command_in_a_process_of_its_own(copy):
    done = run_command("reproduce", copy, "--metric", "test/chrf")
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().splitlines()[-1] == "bit-equal"
    assert len(rows(copy.with_name("copy_reproduced") / "hypotheses" / "test.jsonl")) == 64
