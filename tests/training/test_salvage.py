"""What a resumed run has lost is told at once, and everything else is saved."""

import json
import shutil
from pathlib import Path

import pytest

from seq2seq_lab.files import sidecar_of
from seq2seq_lab.inference.checkpoint_file import read_checkpoint
from support.resume_equality import the_same
from support.small_runs import rows, run_folder, train

FEW = (
    "debug=tiny", "data=copy", "data.max_length=5", "data.corpus.num_train=16", "data.corpus.num_val=8",
    "data.corpus.num_test=8", "data.batching.batch_size=4", "training.trainer.max_epochs=3",
    "training/callback=[bleu,checkpoint]", "training/lr_schedule=constant",
)  # fmt: skip


@pytest.fixture
def run(tmp_path):
    """A copy of a finished run that has lost its result."""
    folder = tmp_path / "run"
    shutil.copytree(run_folder(*FEW), folder)
    (folder / "result.json").unlink()
    return folder


@pytest.fixture
def resumed(run, capsys):
    """Resume the run as the command line does; return (exit code, lines on standard error)."""

    def resume(*overrides):
        capsys.readouterr()
        place = ("resume=auto", f"run_dir={run}", "training/logger=csv")
        code = train(*FEW, *overrides, *place)
        return code, capsys.readouterr().err.splitlines()

    return resume


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def test_nothing_is_told_where_nothing_is_lost(run, resumed):
    assert resumed() == (0, [])
    assert (run / "result.json").exists()


@pytest.mark.parametrize("damage", [Path.unlink, cut])
def test_without_its_best_checkpoint_a_finished_run_is_scored_with_the_last(run, resumed, damage):
    damage(run / "checkpoints" / "best.ckpt")
    code, told = resumed()
    assert code == 0
    assert any(line.startswith("lost: ") and "best.ckpt" in line for line in told)
    assert any(
        "no best checkpoint; the results are those of the last step" in line for line in told
    )
    assert json.loads((run / "result.json").read_text())["train/steps"] == 12


def test_without_its_best_checkpoint_a_longer_run_keeps_the_best_of_what_follows(run, resumed):
    cut(run / "checkpoints" / "best.ckpt")
    code, told = resumed("training.trainer.max_epochs=4")
    assert (code, sum(line.startswith("lost: ") for line in told)) == (0, 1)
    facts = json.loads(sidecar_of(run / "checkpoints" / "best.ckpt").read_text())
    assert facts["step"] == 16


def test_lost_rows_a_broken_manifest_and_what_a_kill_left_behind(run, resumed):
    table = run / "metrics.csv"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:3]))
    (run / "manifest.json").write_text("{")
    left = run / "checkpoints" / ".last.ckpt.seq2seq-lab-ab12_xyz.tmp"
    left.write_bytes(b"half")
    other = run / "checkpoints" / ".notes.tmp"
    other.write_text("of somebody else")
    sidecar_of(run / "checkpoints" / "best.ckpt").unlink()
    code, told = resumed("training.trainer.max_epochs=4")
    assert code == 0
    assert any(line.startswith("lost: ") and "manifest.json" in line for line in told)
    assert any(line.startswith("lost: ") and "rows that metrics.csv had" in line for line in told)
    assert table.read_text().splitlines(keepends=True)[1:3] != []
    manifest = json.loads((run / "manifest.json").read_text())
    assert (manifest["seed"], len(manifest["resumed"])) == (1, 1)
    assert (left.exists(), other.exists()) == (False, True)
    assert sidecar_of(run / "checkpoints" / "best.ckpt").exists()
    assert rows(run / "hypotheses" / "test.jsonl")


def test_a_finished_run_gets_the_last_checkpoint_that_a_kill_left_out(run, resumed):
    """Killed between best.ckpt and last.ckpt of the last step, it is resumed from best.ckpt without a step."""
    last, best = (run / "checkpoints" / f"{name}.ckpt" for name in ("last", "best"))
    last.rename(best)
    sidecar_of(last).rename(sidecar_of(best))
    assert resumed() == (0, [])
    again, stored = (read_checkpoint(path) for path in (last, best))
    assert [again.pop(key) is None for key in ("callbacks", "seq2seq_lab")] == [False, False]
    the_same(again, {key: stored[key] for key in again})


def test_a_folder_that_lost_all_checkpoints_says_that_the_run_begins_again(run, resumed):
    shutil.rmtree(run / "checkpoints")
    code, told = resumed()
    assert (code, [line for line in told if "the run begins again" in line][1:]) == (0, [])
    assert "no checkpoint" in "".join(told)


def test_an_average_cannot_be_resumed(run, resumed):
    from seq2seq_lab.inference.averaging import average
    from seq2seq_lab.training.checkpoint_io import AtomicCheckpointIO

    mean = average([run / "checkpoints" / "last.ckpt"])
    contents = mean.pop("seq2seq_lab")
    path = run / "checkpoints" / "mean.ckpt"
    AtomicCheckpointIO(contents).save_checkpoint(mean, path)
    code = train(*FEW, f"resume={path}", "training/logger=csv")
    assert code == 6
