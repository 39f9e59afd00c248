import json

import pytest

from seq2seq_lab.commands.dispatch import carry_out
from seq2seq_lab.training.module import Seq2SeqModule
from support.bad_input_files import assert_error_lines
from support.small_runs import run_command


def examined(*arguments: object) -> int:
    """Run the doctor in this process, on one random model."""
    return carry_out(["doctor", "--models", "1", *map(str, arguments)])


def test_a_sound_model_gets_a_verdict_for_each_property_and_exit_code_0(tmp_path):
    done = run_command(
        "doctor", "model=gru_attn", "--models", 1, "--json", tmp_path / "verdicts.json"
    )
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    verdicts = [line.split()[:2] for line in lines if line.startswith("O")]
    assert verdicts == [
        *([f"O{n}", "PASS"] for n in range(1, 15)),
        ["O25", "not"],
    ]  # it does not copy
    stored = json.loads((tmp_path / "verdicts.json").read_text())
    assert stored["overrides"] == ["model=gru_attn"]
    assert stored["broken"] == []
    *checked, last = stored["properties"]
    assert [found["id"] for found in checked] == [f"O{n}" for n in range(1, 15)]
    assert last["id"] == "O25"
    assert all(found["error"] < 1e-2 for found in checked)
    assert all(found["seconds"] < 60 for found in stored["properties"])


def test_a_planted_bug_is_named_and_ends_with_exit_code_1(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(Seq2SeqModule, "on_before_optimizer_step", lambda self, optimizer: None)
    verdicts = tmp_path / "verdicts.json"
    assert examined("model=gru", "--properties", "O12,O14", "--json", verdicts) == 1
    written = capsys.readouterr()
    assert written.err == "error: 1 of 2 properties broken: O14\n"
    assert "O12 PASS" in written.out
    assert "O14 FAIL" in written.out
    assert "weights after two steps" in written.out
    assert json.loads(verdicts.read_text())["broken"] == ["O14"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["model=lstmm"], "did you mean lstm"),
        (["model.dimm=3"], "dimm"),
        (["model=lstm_attn", "model.dropout=2"], "dropout"),
        (["--models", "0", "model=gru"], "--models 0"),
        (["--jsn", "x"], "--jsn"),
        (["--properties", "O1,O99", "model=gru"], "no property 'O99'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, named, capsys):
    assert examined(*arguments) == 2
    err = capsys.readouterr().err
    assert_error_lines(err)
    assert named in err


def test_a_file_that_cannot_be_written_is_reported_in_one_line(capsys, tmp_path):
    assert (
        examined("model=gru", "--properties", "O11", "--json", tmp_path / "none" / "verdicts.json")
        == 5
    )
    assert capsys.readouterr().err.startswith("error: --json ")
