"""The monitored metric: its direction, ties, early stopping and the names of checkpoints."""

import json
import re
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from seq2seq_lab.training import session
from seq2seq_lab.training.callback.checkpoint import Checkpoint
from seq2seq_lab.training.callback.early_stopping import EarlyStopping
from seq2seq_lab.training.lr_schedule import Plateau
from support.small_runs import run_folder, small, train, trainer

FEW = (
    "debug=tiny", "data=copy", "data.corpus.num_train=16", "data.corpus.num_val=8", "data.corpus.num_test=8",
    "data.batching.batch_size=4", "training/callback=[bleu,early_stopping,checkpoint]",
)  # fmt: skip


def test_steps_that_end_before_the_first_validation_are_a_whole_run():
    folder = run_folder(*FEW, "training.trainer.max_steps=2")
    assert json.loads((folder / "result.json").read_text())["train/steps"] == 2
    assert (folder / "checkpoints" / "last.ckpt").exists()


def test_a_metric_that_does_not_improve_ends_training_and_is_announced(tmp_path, capsys):
    never = (
        "data.monitor=val/loss",
        "training.callback.early_stopping.min_delta=1e9",
        "training.callback.early_stopping.patience=2",
        "training.trainer.max_epochs=9",
    )
    assert train(*FEW, *never, "training/logger=csv", f"run_dir={tmp_path / 'run'}") == 0
    assert json.loads((tmp_path / "run" / "result.json").read_text())["train/epochs"] == 3
    told = capsys.readouterr().err
    assert re.search(
        r"^stopped early after epoch 3: val/loss has not improved on [\d.]+ for 2 val", told, re.M
    )


class Scripted(pl.Callback):
    """Logs one number after each validation, in place of the real one; the real validation loss falls."""

    def __init__(self, name, values):
        self.name, self.values, self.losses = name, iter(values), []

    def on_validation_epoch_end(self, trainer, pl_module):
        if trainer.state.fn == "fit":
            pl_module.log(self.name, next(self.values))

    def on_validation_end(self, trainer, pl_module):
        if trainer.state.fn == "fit":
            self.losses.append(float(trainer.callback_metrics["val/loss"]))


def trained(folder, values, *, name="val/bleu", monitor="val/bleu", patience=2, save_top_k=1):
    """Train with scripted numbers; return the scripted callback, the stopping and the checkpoints."""
    parts, scripted = small("training.optimizer.lr=0.05", "data.corpus.num_train=8"), None
    scripted = Scripted(name, values)
    stopping = EarlyStopping(monitor=monitor, patience=patience)
    best = Checkpoint(monitor, filename="e{epoch}", save_top_k=save_top_k)
    io = session.checkpoint_io({**parts.run, "resume": None}, parts.data)
    engine = trainer(
        folder,
        callbacks=session.callbacks([scripted, stopping, best], folder),
        plugins=[io],
        enable_checkpointing=True,
        max_epochs=len(values),
    )
    session.fit(engine, parts.module, parts.data)
    return scripted, stopping, best


def names(best):
    return {Path(path).stem for path in best.best_k_models}


def test_equal_scores_are_told_apart_by_the_validation_loss(tmp_path):
    """BLEU stays 0 while the loss falls: neither the first checkpoint nor an early stop."""
    scripted, stopping, best = trained(tmp_path, [0.0] * 5)
    assert len(scripted.losses) == 5
    assert names(best) == {f"e{scripted.losses.index(min(scripted.losses))}"} != {"e0"}
    assert stopping.announcement(5) == ""


def test_a_better_score_wins_over_a_smaller_loss(tmp_path):
    scripted, _, best = trained(tmp_path, [1.0, 9.0, 2.0, 9.0, 3.0], patience=9)
    wanted = 1 if scripted.losses[1] <= scripted.losses[3] else 3
    assert names(best) == {f"e{wanted}"}


def test_of_several_the_worst_by_score_then_loss_goes_first(tmp_path):
    scripted, _, best = trained(tmp_path, [5.0, 5.0, 7.0, 5.0], patience=9, save_top_k=2)
    smallest = min((0, 1, 3), key=scripted.losses.__getitem__)
    assert names(best) == {"e2", f"e{smallest}"}
    assert Path(best.best_model_path).stem == "e2"
    assert Path(best.kth_best_model_path).stem == f"e{smallest}"


def test_the_smallest_loss_is_the_best_checkpoint(tmp_path):
    scripted, _, best = trained(tmp_path, [0.0] * 4, monitor="val/loss", patience=9)
    assert names(best) == {f"e{scripted.losses.index(min(scripted.losses))}"}
    assert (best.mode, best.best_model_score.item()) == ("min", pytest.approx(min(scripted.losses)))


def test_scores_that_fall_stop_training(tmp_path):
    scripted, stopping, _ = trained(tmp_path, [5.0, 4.0, 3.0, 2.0, 1.0])
    assert len(scripted.losses) == 3
    assert (
        "after epoch 3: val/bleu has not improved on 5 for 2 validations"
        in stopping.announcement(5)
    )


@pytest.mark.parametrize("monitor", ["val/loss", "val/perplexity", "val/exposure_bias"])
@pytest.mark.parametrize("make", [EarlyStopping, Checkpoint])
def test_the_mode_follows_from_the_metric_and_its_opposite_is_refused(make, monitor):
    assert make(monitor).mode == make(monitor, "min").mode == "min"
    with pytest.raises(ValueError, match=r"mode=max: of .* less is better"):
        make(monitor, "max")
    assert make("val/bleu").mode == "max"
    with pytest.raises(ValueError, match="mode=min: of val/bleu more is better"):
        make("val/bleu", "min")


def test_the_plateau_schedule_follows_the_metric_too():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    for monitor, mode in (("val/loss", "min"), ("val/bleu", "max")):
        entry = Plateau(monitor=monitor).attach(optimizer, lambda epochs: epochs)
        assert (entry["monitor"], entry["scheduler"].mode) == (monitor, mode)


@pytest.mark.parametrize(
    "name",
    [
        "../../evil",
        "/tmp/evil",
        "a/b",
        "..",
        ".hidden",
        "",
        "a\nb",
        "last",
        "x" * 101,
        "{step}/../../a",
    ],
)
def test_a_file_name_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match="filename="):
        Checkpoint("val/bleu", filename=name)


@pytest.mark.parametrize("name", ["best", "best_{val/bleu:.2f}", "step_{step}", "名前"])
def test_plain_names_and_templates_are_taken(name):
    assert Checkpoint("val/bleu", filename=name).filename == name


def test_several_checkpoints_need_several_names():
    with pytest.raises(ValueError, match=r"add \{step\}"):
        Checkpoint("step", filename="best", save_top_k=3)


def test_outputs_too_short_for_bleu_are_told_once_with_the_better_monitor(tmp_path, capsys):
    few = [override for override in FEW if "callback" not in override]
    short = ("data.max_length=3", "training/callback=[bleu]", "training/logger=csv")
    assert train(*few, *short, f"run_dir={tmp_path / 'run'}") == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "BLEU is 0" in line]
    assert len(told) == 1
    assert told[0].endswith("use data.monitor=val/exact_match")
