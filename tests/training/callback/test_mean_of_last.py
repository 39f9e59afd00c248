"""The mean of the last checkpoints inside a run: its weights, what is tested, and what other commands take."""

import json
from unittest import mock

import pytest
import torch

from seq2seq_lab.inference.checkpoint_file import read_checkpoint
from seq2seq_lab.inference.trained import find_checkpoint, load
from seq2seq_lab.training.callback.mean_of_last import MeanOfLast
from support.small_runs import TINY_RUN, rows, run_folder, train

LAST = "+training/callback=mean_of_last"
KEYS = ("training.trainer.max_epochs=4", "training.callback.mean_of_last.count=3")


def weights(path) -> dict[str, torch.Tensor]:
    return read_checkpoint(path)["state_dict"]


def test_the_mean_of_the_last_is_tested_and_translates():
    run = run_folder(*TINY_RUN, LAST, *KEYS)
    kept = sorted((run / "checkpoints").glob("mean_of_*.ckpt"))
    mean = read_checkpoint(run / "mean.ckpt")
    steps = [read_checkpoint(path)["global_step"] for path in kept]
    assert mean["averaged_steps"] == sorted(steps)
    assert len(steps) == 3
    for name, tensor in mean["state_dict"].items():
        each = [weights(path)[name].double() for path in kept]
        assert torch.equal(tensor, (sum(each) / 3).to(tensor.dtype))
    best = weights(run / "checkpoints" / "best.ckpt")
    assert any(not torch.equal(tensor, best[name]) for name, tensor in mean["state_dict"].items())
    assert find_checkpoint(run) == run / "mean.ckpt"
    tested = rows(run / "hypotheses" / "test.jsonl")
    translator = load(run).translator
    found = translator.translate([row["source"] for row in tested])
    assert [one.text for one in found] == [row["hypothesis"] for row in tested]


def test_fewer_checkpoints_are_said(tmp_path, capsys):
    keys = ["training.trainer.max_epochs=2", "training.callback.mean_of_last.count=5"]
    assert train(*TINY_RUN, LAST, *keys, "training/logger=csv", f"run_dir={tmp_path / 'run'}") == 0
    assert "note: the mean is of 2 checkpoints, 5 were asked for" in capsys.readouterr().err
    assert len(read_checkpoint(tmp_path / "run" / "mean.ckpt")["averaged_steps"]) == 2


def test_a_run_that_goes_on_ends_with_a_new_mean(tmp_path):
    same = [*TINY_RUN, LAST, KEYS[1], "training/lr_schedule=constant"]
    run = [*same, "training/logger=csv", f"run_dir={tmp_path / 'run'}"]
    assert train(*run, "training.trainer.max_epochs=2") == 0
    before = json.loads((tmp_path / "run" / "result.json").read_text())
    assert train(*run, "training.trainer.max_epochs=4", "resume=auto") == 0
    whole = run_folder(*same, KEYS[0])
    one, other = (read_checkpoint(path / "mean.ckpt") for path in (tmp_path / "run", whole))
    assert one["averaged_steps"] == other["averaged_steps"]
    assert all(torch.equal(one["state_dict"][n], t) for n, t in other["state_dict"].items())
    after = json.loads((tmp_path / "run" / "result.json").read_text())
    assert after != before


def test_a_run_that_goes_on_has_no_old_mean(tmp_path):
    path = tmp_path / "run" / "mean.ckpt"
    run = [*TINY_RUN, LAST, KEYS[1], "training/logger=csv", f"run_dir={tmp_path / 'run'}"]
    assert train(*run, "training.trainer.max_epochs=2") == 0
    assert path.exists()
    seen = []
    look = mock.Mock(side_effect=lambda *_: seen.append(path.exists()))
    with mock.patch.object(MeanOfLast, "on_train_epoch_end", look):
        assert train(*run, "training.trainer.max_epochs=3", "resume=auto") == 0
    assert seen == [False]
    assert path.exists()


def test_one_checkpoint_is_no_mean():
    with pytest.raises(ValueError, match="count=1: must be >= 2"):
        MeanOfLast(1)
