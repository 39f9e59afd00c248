import math
from dataclasses import replace

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from seq2seq_lab.data.collate import EncodedPairs
from seq2seq_lab.training.datamodule import Seq2SeqDataModule
from seq2seq_lab.training.loss import negative_log_likelihood
from seq2seq_lab.training.module import Seq2SeqModule
from seq2seq_lab.training.scheduled_sampling.sequential import teacher_forced_logits
from support.small_runs import assemble, small, trainer, weights_hash

PAIRS = [(1, 9), (2, 1), (9, 2), (3, 7), (1, 1), (4, 8), (2, 3)]
SGD = (
    "training/optimizer=sgd",
    "training.optimizer.fused=false",
    "training.optimizer.momentum=0.0",
)


class Given(pl.LightningDataModule):
    """Serves exactly these groups of pairs as training batches."""

    transfer_batch_to_device = Seq2SeqDataModule.transfer_batch_to_device

    def __init__(self, groups):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        ids = [
            [torch.randint(4, 10, (n,), generator=generator).tolist() for n in pair]
            for pair in PAIRS
        ]
        pairs = EncodedPairs([s for s, _ in ids], [t for _, t in ids])
        self.batches = [pairs[torch.tensor(group)] for group in groups]

    def train_dataloader(self):
        return DataLoader(self.batches, batch_size=None)


def trained(tmp_path, groups, *overrides, **settings):
    """Return the weights after one epoch of double-precision SGD on these batches."""
    parts = small("model.dropout=0.0", *SGD, *overrides)
    parts.module.double()
    trainer(tmp_path, **settings).fit(parts.module, datamodule=Given(groups))
    return parts.module


def accumulated_equals_one_big_batch(tmp_path, *overrides, **settings):
    """O14: k small batches of unequal token counts make the step of one big batch; the last group may be short."""
    small_batches = [[0], [1, 2], [3, 4], [5], [6]]
    some = trained(tmp_path, small_batches, *overrides, accumulate_grad_batches=3, **settings)
    big = trained(tmp_path, [[0, 1, 2, 3, 4], [5, 6]], *overrides, **settings)
    assert some.global_step == big.global_step == 2
    torch.testing.assert_close(some.state_dict(), big.state_dict(), rtol=1e-10, atol=1e-10)


def test_accumulated_batches_equal_one_big_batch(tmp_path):
    accumulated_equals_one_big_batch(tmp_path)


def test_accumulated_batches_equal_one_big_batch_with_smoothing_and_clipping(tmp_path):
    smoothed = "training.loss.label_smoothing=0.2"
    accumulated_equals_one_big_batch(tmp_path, smoothed, gradient_clip_val=0.05)


def test_planted_mean_of_batch_means_is_caught_in_accumulation(tmp_path, monkeypatch):
    step = Seq2SeqModule.training_step

    def mean(self, batch, batch_idx):
        loss = step(self, batch, batch_idx)
        return loss / batch.num_target_tokens if self.trainer.accumulate_grad_batches > 1 else loss

    monkeypatch.setattr(Seq2SeqModule, "training_step", mean)
    monkeypatch.setattr(Seq2SeqModule, "on_before_optimizer_step", lambda self, optimizer: None)
    with pytest.raises(AssertionError):
        accumulated_equals_one_big_batch(tmp_path)


def test_planted_tokens_carried_over_to_the_next_step_are_caught(tmp_path, monkeypatch):
    def carried(self, optimizer):
        if self.trainer.accumulate_grad_batches > 1:
            scale = self.trainer.accumulate_grad_batches / self._tokens_in_step
            for parameter in self.parameters():
                parameter.grad.mul_(scale)

    monkeypatch.setattr(Seq2SeqModule, "on_before_optimizer_step", carried)
    with pytest.raises(AssertionError):
        accumulated_equals_one_big_batch(tmp_path)


# perplexity


@torch.no_grad()
def slow_mean(parts, split):
    """Return the loss per token, pair by pair, without a batch."""
    parts.module.eval()
    total, count = 0.0, 0
    for i in range(len(parts.data.encoded[split])):
        batch = parts.data.encoded[split][torch.tensor([i])]
        targets = batch.target_output[batch.target_mask]
        total += float(
            negative_log_likelihood(teacher_forced_logits(parts.module.model, batch), targets)
        )
        count += batch.num_target_tokens
    return total / count


def perplexity_is_of_the_whole_split(tmp_path, split, *overrides):
    parts = small(*overrides)
    with torch.no_grad():  # far from uniform, so that long and short pairs differ
        for parameter in parts.module.model.parameters():
            parameter.mul_(4.0)
    engine = trainer(tmp_path)
    run = engine.validate if split == "val" else engine.test
    (numbers,) = run(parts.module, datamodule=parts.data, verbose=False)
    expected = slow_mean(parts, split)
    assert numbers[f"{split}/loss"] == pytest.approx(expected, rel=1e-5)
    assert numbers[f"{split}/perplexity"] == pytest.approx(math.exp(expected), rel=1e-4)


@pytest.mark.parametrize("split", ["val", "test"])
def test_perplexity_is_the_token_weighted_mean_of_the_split(tmp_path, split):
    perplexity_is_of_the_whole_split(tmp_path, split)


def test_perplexity_is_not_smoothed(tmp_path):
    perplexity_is_of_the_whole_split(tmp_path, "val", "training.loss.label_smoothing=0.3")


def test_perplexity_ignores_the_teacher_forcing_ratio(tmp_path):
    perplexity_is_of_the_whole_split(tmp_path, "val", "training/scheduled_sampling/schedule=never")


def test_perplexity_is_measured_without_dropout(tmp_path):
    perplexity_is_of_the_whole_split(tmp_path, "val", "model.dropout=0.5")


def test_planted_mean_of_batch_means_is_caught_in_validation(tmp_path, monkeypatch):
    add = Seq2SeqModule._add
    monkeypatch.setattr(Seq2SeqModule, "_add", lambda self, s, total, n: add(self, s, total / n, 1))
    with pytest.raises(AssertionError):
        perplexity_is_of_the_whole_split(tmp_path, "val")


def test_planted_training_loss_in_validation_is_caught(tmp_path, monkeypatch):
    def smoothed(self, batch, split):
        loss = self.loss(
            teacher_forced_logits(self.model, batch), batch.target_output[batch.target_mask]
        )
        self._add(split, loss, batch.num_target_tokens)

    monkeypatch.setattr(Seq2SeqModule, "_evaluate", smoothed)
    with pytest.raises(AssertionError):
        perplexity_is_of_the_whole_split(tmp_path, "val", "training.loss.label_smoothing=0.3")


def test_a_uniform_model_has_the_vocabulary_size_as_perplexity(tmp_path):
    parts = small()
    with torch.no_grad():
        for parameter in parts.module.model.decoder.output.parameters():
            parameter.zero_()
    (numbers,) = trainer(tmp_path).test(parts.module, datamodule=parts.data, verbose=False)
    assert numbers["test/perplexity"] == pytest.approx(len(parts.data.target_tokenizer), rel=1e-5)


def test_the_training_loss_of_an_epoch_is_weighted_by_tokens(tmp_path):
    parts = small("model.dropout=0.0", *SGD, "training.optimizer.lr=1e-12")
    engine = trainer(tmp_path)
    engine.fit(parts.module, datamodule=parts.data)
    assert float(engine.callback_metrics["train/loss_epoch"]) == pytest.approx(
        slow_mean(parts, "train"), rel=1e-5
    )


def test_the_logged_gradient_norm_is_that_before_clipping(tmp_path):
    norms = []
    for limit in (None, 1e-3):
        parts = small("model.dropout=0.0")
        engine = trainer(tmp_path, gradient_clip_val=limit, max_steps=1)
        engine.fit(parts.module, datamodule=parts.data)
        norms.append(float(engine.callback_metrics["train/gradient_norm"]))
    assert norms[0] == norms[1] > 0.01


def test_clipping_bounds_the_step(tmp_path):
    parts = small("model.dropout=0.0", *SGD, "training.optimizer.lr=1.0")
    before = [p.detach().clone() for p in parts.module.parameters()]
    trainer(tmp_path, gradient_clip_val=0.01, max_steps=1).fit(parts.module, datamodule=parts.data)
    moved = [(a - b).flatten() for a, b in zip(parts.module.parameters(), before, strict=True)]
    assert float(torch.cat(moved).norm()) == pytest.approx(0.01, rel=1e-4)


# parts


def test_the_teacher_forcing_schedule_is_asked_at_every_step(tmp_path):
    parts, asked = small(), []
    parts.module.scheduled_sampling.schedule = lambda step, epoch: asked.append(step) or 1.0
    trainer(tmp_path).fit(parts.module, datamodule=parts.data)
    assert asked == list(range(6))


def test_the_sampling_generator_is_stored_and_restored():
    parts = small()
    torch.rand(5, generator=parts.module.sampling_generator)
    progress = parts.module.progress()
    expected = torch.rand(5, generator=parts.module.sampling_generator)
    other = small(seed=9).module
    other.restore_progress(progress)
    assert torch.equal(torch.rand(5, generator=other.sampling_generator), expected)


@pytest.mark.parametrize("name", ["constant", "inverse_sqrt", "linear", "plateau"])
def test_every_schedule_trains(tmp_path, name):
    parts = small(f"training/lr_schedule={name}")
    engine = trainer(tmp_path)
    engine.fit(parts.module, datamodule=parts.data)
    assert engine.global_step == 6


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "adadelta"])
def test_every_optimizer_trains(tmp_path, name):
    parts = small(f"training/optimizer={name}")
    before = weights_hash(parts.module)
    trainer(tmp_path).fit(parts.module, datamodule=parts.data)
    assert weights_hash(parts.module) != before


def test_scheduled_sampling_trains_and_differs_from_teacher_forcing(tmp_path):
    hashes = []
    for name in ("always", "constant"):
        parts = small(f"training/scheduled_sampling/schedule={name}")
        trainer(tmp_path, max_epochs=1).fit(parts.module, datamodule=parts.data)
        hashes.append(weights_hash(parts.module))
    assert len(set(hashes)) == 2


def test_batches_move_with_their_lengths_kept_on_the_cpu():
    batch = Given([[0, 1]]).batches[0]
    moved = batch.to(torch.device("meta"))
    assert moved.source.is_meta
    assert moved.source_lengths.device.type == "cpu"
    assert replace(moved, source=batch.source).source is batch.source


def test_models_of_several_layers_train(tmp_path):
    parts = assemble(
        "data=copy",
        "debug=tiny",
        "model.num_layers=2",
        "model=bilstm_attn",
        "data.batching.batch_size=8",
    )
    trainer(tmp_path, limit_train_batches=2, limit_val_batches=1).fit(
        parts.module, datamodule=parts.data
    )
    assert parts.module.global_step == 2
