"""Nulls, wrong monitors, schedules and devices are refused before data are read: the corpus of each try is missing."""

import pytest
import torch

from support.bad_input_files import assert_error_lines
from support.small_runs import train

MISSING = ("data=text_files", "data.train=[no.a,no.b]", "data.val=[no.a,no.b]", "data.test=[no.a,no.b]")  # fmt: skip
READ = 3
"""The exit code of a run that reads the data."""

NULLS = [
    ("model=null", "model=null: no such option"),
    ("decoding=null", "decoding=null: no such option"),
    ("training/optimizer=null", "training/optimizer=null: no such option"),
    ("training.optimizer=null", "training.optimizer: expected a node with _target_, got null"),
    ("training.loss=null", "training.loss: expected a node with _target_, got null"),
    ("training.trainer=null", "training.trainer: expected a node with _target_, got null"),
    ("training.scheduled_sampling=null", "training.scheduled_sampling: expected a node"),
    ("training.callback=null", "training.callback: expected a group of keys, got null"),
    ("model.decoder.attention=null", "model.decoder.attention: expected a Attention"),
    ("data.corpus=null", "data.corpus: expected a Corpus"),
    ("data.tokenizer=null", "data.tokenizer: expected a Tokenizer"),
]
MONITORS = [
    ("data.monitor=null", "expected str, got null"),
    ("data.monitor=val/blue", "did you mean val/bleu?"),
    ("data.monitor=test/bleu", "did you mean val/bleu?"),
    ("training.callback.checkpoint.monitor=val/los", "did you mean val/loss?"),
    ("training.callback.early_stopping.mode=min", "of val/bleu more is better"),
    ("training.callback.checkpoint.mode=maximum", "training.callback.checkpoint.mode: expected"),
    (
        "training/lr_schedule=plateau training.lr_schedule.monitor=val/blue",
        "did you mean val/bleu?",
    ),
]
TORCH = "torch.optim.lr_scheduler"
SCHEDULES = [
    ("training/lr_schedule=cosin", "did you mean cosine?"),
    ("training.lr_schedule=cosine", "write training/lr_schedule=cosine"),
    (f"training.lr_schedule._target_={TORCH}.StepLR", "make it the `scheduler` of training/lr_schedule=step"),
    (f"training/lr_schedule=step training.lr_schedule.scheduler._target_={TORCH}.StepLr", "did you mean"),
    ("training/lr_schedule=step training.lr_schedule.scheduler._target_=torch.optim.Adam", "got a Adam node"),
    ("training/lr_schedule=step training.lr_schedule.scheduler._partial_=false", "write _partial_: true"),
    ("training/lr_schedule=step +training.lr_schedule.scheduler.step_sise=3", "did you mean"),
    ("training/lr_schedule=step training.lr_schedule.scheduler.gamma=x", "expected float, got 'x'"),
    ("training/lr_schedule=step +training.lr_schedule.monitor=val/loss", "StepLR takes none"),
    ("training/lr_schedule=cosine training.lr_schedule.interval=batch", "training.lr_schedule.interval: expected"),
    ("training/lr_schedule=cosine training.lr_schedule.length=T_mx", "unexpected keyword argument 'T_mx'"),
    ("training/lr_schedule=one_cycle training.trainer.max_epochs=-1", "give training.trainer.max_epochs"),
    ("training/lr_schedule=one_cycle training/optimizer=adadelta", "momentum"),
    ("training/lr_schedule=noam training.lr_schedule.warmup_steps=0", "warmup_steps=0: must be >= 1"),
]  # fmt: skip
NO_MAC = pytest.param(
    ("training/trainer=mps", "accelerator=mps: this machine has none; use training/trainer=cpu"),
    marks=pytest.mark.skipif(torch.backends.mps.is_available(), reason="a Mac"),
)


@pytest.mark.parametrize("tried", [*NULLS, *MONITORS, *SCHEDULES, NO_MAC], ids=lambda one: one[0])
def test_it_is_refused_before_data_are_read(tried, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    code = train(*MISSING, *tried[0].split())
    err = capfd.readouterr().err
    is_unknown_class = "on the list of classes" in err
    assert code == (7 if is_unknown_class else 2), err
    assert_error_lines(err)
    assert tried[1] in err
    assert not list(tmp_path.iterdir())


LEGAL = ["training.lr_schedule=null", "training.logger=null", "training/lr_schedule=one_cycle"]


@pytest.mark.parametrize("legal", LEGAL)
def test_what_may_be_left_out_goes_on_to_the_data(legal, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert train(*MISSING, legal) == READ
    assert "no.a" in capfd.readouterr().err
