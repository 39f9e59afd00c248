"""Early stopping is judged where a validation ended, so training may end before the first one."""

import json

from support.small_runs import run_folder

FEW = (
    "debug=tiny", "data=copy", "data.corpus.num_train=16", "data.corpus.num_val=8", "data.corpus.num_test=8",
    "data.batching.batch_size=4", "training/callback=[bleu,early_stopping,checkpoint]",
)  # fmt: skip


def test_steps_that_end_before_the_first_validation_are_a_whole_run():
    folder = run_folder(*FEW, "training.trainer.max_steps=2")
    assert json.loads((folder / "result.json").read_text())["train/steps"] == 2
    assert (folder / "checkpoints" / "last.ckpt").exists()


def test_a_metric_that_does_not_rise_ends_training():
    never = (
        "training.callback.early_stopping.min_delta=1e9",
        "training.callback.early_stopping.patience=2",
    )
    folder = run_folder(*FEW, "+" + never[0], never[1], "training.trainer.max_epochs=9")
    assert json.loads((folder / "result.json").read_text())["train/epochs"] == 3
