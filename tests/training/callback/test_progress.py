import io
import warnings

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from seq2seq_lab.batch import Batch, mask_from_lengths
from seq2seq_lab.training.callback.progress import Progress, bar_line, epoch_line
from seq2seq_lab.training.callback.throughput import Throughput
from seq2seq_lab.training.logger.csv_metrics import CsvMetrics


def batch_of(*lengths):
    width = max(lengths)
    source = torch.ones(len(lengths), 3, dtype=torch.long)
    target = torch.ones(len(lengths), width, dtype=torch.long)
    sizes = torch.full((len(lengths),), 3)
    return Batch(
        source=source,
        source_lengths=sizes,
        source_mask=mask_from_lengths(sizes, 3),
        target_input=target,
        target_output=target,
        target_mask=mask_from_lengths(torch.tensor(lengths), width),
        ids=torch.arange(len(lengths)),
    )


class Tiny(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def training_step(self, batch, batch_idx):
        loss = (self.weight**2).sum()
        self.log("train/loss", loss.detach(), on_step=True, on_epoch=False, batch_size=1)
        return loss

    def validation_step(self, batch, batch_idx):
        pass

    def on_validation_epoch_end(self):
        self.log("val/bleu", 12.5)

    def on_train_epoch_end(self):
        self.log("train/loss_epoch", 0.75)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def train(folder, screen, monkeypatch, *, callbacks=None, epochs=2):
    monkeypatch.setattr("sys.stderr", screen)
    loader = DataLoader([batch_of(2, 5), batch_of(3)] * 3, batch_size=None)
    module = Tiny()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            default_root_dir=str(folder),
            logger=[CsvMetrics(folder)],
            callbacks=[Progress(per_second=1e6), Throughput()] if callbacks is None else callbacks,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=callbacks is None,
            log_every_n_steps=2,
            num_sanity_val_steps=0,
        )
        trainer.fit(module, loader, loader)
    return module, screen.getvalue()


def test_without_a_terminal_it_prints_one_plain_line_for_each_epoch(tmp_path, monkeypatch):
    _, printed = train(tmp_path, io.StringIO(), monkeypatch)
    lines = [line for line in printed.splitlines() if line.startswith("epoch")]
    assert len(lines) == 2
    assert "\r" not in printed
    assert "\033" not in printed
    for number, line in enumerate(lines, start=1):
        assert line.startswith(f"epoch {number}/2  loss 0.750  BLEU 12.50  ")
        assert "tokens/s" in line


def test_on_a_terminal_a_bar_is_redrawn_and_cleared(tmp_path, monkeypatch):
    _, printed = train(tmp_path, Terminal(), monkeypatch, epochs=1)
    assert "] 6/6  loss" in printed
    assert "validating" in printed
    assert printed.splitlines()[-1].split("\033[K")[-1].startswith("epoch 1/1")


def test_lightning_adds_no_bar_of_its_own(tmp_path, monkeypatch):
    _, printed = train(tmp_path, io.StringIO(), monkeypatch, epochs=1)
    assert "it/s" not in printed


def test_observing_changes_no_weight(tmp_path, monkeypatch):
    watched, _ = train(tmp_path, Terminal(), monkeypatch)
    alone, _ = train(tmp_path, Terminal(), monkeypatch, callbacks=[])
    assert torch.equal(watched.weight, alone.weight)


def test_metrics_reach_the_csv_file(tmp_path, monkeypatch):
    train(tmp_path, io.StringIO(), monkeypatch)
    header, *rows = (tmp_path / "metrics.csv").read_text().splitlines()
    names = header.split(",")
    assert {
        "step",
        "epoch",
        "train/loss",
        "train/loss_epoch",
        "val/bleu",
        "train/tokens_per_second",
    } == set(names)
    assert len(rows) == 2 * (3 + 2)  # for each epoch three logging steps, the validation, the end


def test_the_line_of_an_epoch_names_what_was_measured():
    metrics = {
        "val/bleu": 31.256,
        "train/loss_epoch": 1.5,
        "train/tokens_per_second": 12345.6,
        "other": 1.0,
    }
    line = epoch_line(1, 20, metrics, 3.25)
    assert line == "epoch  2/20  loss 1.500  BLEU 31.26  12,346 tokens/s  3.2 s"


def test_epochs_without_a_limit_are_counted_alone():
    assert epoch_line(4, -1, {}, 1.0) == "epoch 5  1.0 s"


def test_the_bar_is_half_full_at_half_time():
    assert bar_line(5, 10, 0.5, width=4) == "  [██··] 5/10  loss 0.500"


def test_a_bar_without_a_known_end_counts():
    assert bar_line(5, float("inf"), None) == "  batch 5"


def test_a_rate_of_zero_is_refused():
    with pytest.raises(ValueError, match="per_second=0"):
        Progress(per_second=0.0)
