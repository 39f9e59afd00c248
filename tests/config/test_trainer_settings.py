"""Numbers without end and settings of Lightning that training does not support are told with what to do instead."""

import json
from functools import partial

import pytest
import torch

from seq2seq_lab.config.rules import RULES
from support.small_runs import small, train

TRAINER = "pytorch_lightning.Trainer"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (f"{TRAINER}.fast_dev_run", True, "use debug=fast_dev_run"),
        (f"{TRAINER}.profiler", "simple", "use debug=profiler"),
        ("pytorch_lightning.profilers.SimpleProfiler.dirpath", "x", "goes to the run folder"),
        (f"{TRAINER}.overfit_batches", 1, "use debug=overfit"),
        (f"{TRAINER}.gradient_clip_algorithm", "value", "clipped by their norm"),
        (f"{TRAINER}.enable_checkpointing", False, "training.callback.checkpoint=null"),
        (f"{TRAINER}.logger", True, "use training/logger=NAME"),
        (f"{TRAINER}.use_distributed_sampler", True, "leave it false"),
        (f"{TRAINER}.default_root_dir", "x", "use run_dir=PATH"),
    ],
)
def test_what_training_does_not_support_is_refused(name, value, says):
    text = RULES.support_problem(name, value)
    assert text is not None
    assert says in text


def test_what_the_configs_say_is_supported():
    for name, value in (
        ("fast_dev_run", False),
        ("use_distributed_sampler", False),
        ("max_epochs", 3),
    ):
        assert RULES.support_problem(f"{TRAINER}.{name}", value) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("torch.optim.Adam.lr", float("nan")),
        ("torch.optim.Adam.lr", float("inf")),
        ("seq2seq_lab.model.recurrent_encoder.RecurrentEncoder.num_layers", 10**6),
        ("seq2seq_lab.decoding.beam.Beam.beam_size", 10**6),
        ("seq2seq_lab.data.synthetic.Copy.num_train", 10**12),
        (f"{TRAINER}.accumulate_grad_batches", 10**22),
        ("seq2seq_lab.data.synthetic.Copy.corpus_seed", 10**22),
        ("seq2seq_lab.training.datamodule.Seq2SeqDataModule.seed", 10**13),
    ],
)
def test_numbers_without_end_are_out_of_range(name, value):
    assert RULES.range_problem(name, value) is not None
    assert RULES.range_problem(name, 2) is None


def test_no_schedule_is_a_constant_learning_rate():
    adam = partial(torch.optim.Adam, lr=0.5)
    module = small().module
    module.make_optimizer, module.lr_schedule = adam, None
    optimizer = module.configure_optimizers()
    assert isinstance(optimizer, torch.optim.Adam)
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_groups_that_may_be_left_out_may_be_deleted(tmp_path):
    few = ("debug=tiny", "data=copy", "data.corpus.num_train=8", "training/callback=[bleu]")
    left_out = ("~training/lr_schedule", "~training/logger")
    assert train(*few, *left_out, f"run_dir={tmp_path / 'run'}") == 0


@pytest.mark.parametrize(
    ("preset", "left"), [("fast_dev_run", "checkpoints/best.ckpt"), ("profiler", "fit-profile.txt")]
)
def test_a_debug_preset_leaves_what_it_says_in_the_run_folder(tmp_path, preset, left):
    small_data = (
        "data=copy",
        "data.max_length=4",
        "data.corpus.num_train=24",
        "model.dim=8",
        "data.batching.batch_size=4",
    )
    few = (*small_data, "training/callback=[bleu,checkpoint]", "training/logger=csv")
    run = tmp_path / "run"
    assert train(f"debug={preset}", "training.trainer.max_epochs=1", *few, f"run_dir={run}") == 0
    assert (run / left).is_file()
    numbers = json.loads((run / "result.json").read_text())
    assert (numbers["train/steps"] == 1.0) == (preset == "fast_dev_run")
