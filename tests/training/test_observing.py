"""O20 and O22: what must not change a weight, bit for bit."""

import pytest
import pytorch_lightning as pl
import torch

from support.small_runs import small, trainer, weights_hash

# O22


class DrawsNumbers(pl.Callback):
    def on_validation_epoch_end(self, trainer, pl_module):
        torch.rand(1)


def observed(tmp_path, extra=(), **settings):
    overrides = ("model.dropout=0.3", "training/scheduled_sampling/schedule=constant")
    parts = small(*overrides)
    trainer(tmp_path, max_epochs=3, callbacks=list(extra), **settings).fit(
        parts.module, datamodule=parts.data
    )
    return weights_hash(parts.module)


def watchers(tmp_path):
    names = ("bleu", "samples", "throughput", "progress", "exposure_bias")
    from seq2seq_lab.config.build import build
    from seq2seq_lab.config.compose import compose

    nodes = compose([])["training"]["callback"]
    return [build(nodes[name]) for name in names]


def observing_changes_nothing(tmp_path, extra):
    """O22: the same weights, bit for bit, with every observer and without any."""
    from seq2seq_lab.training.logger.csv_metrics import CsvMetrics

    alone = observed(tmp_path, limit_val_batches=0)
    assert observed(tmp_path, check_val_every_n_epoch=2) == alone
    watched = {
        "logger": [CsvMetrics(tmp_path)],
        "log_every_n_steps": 1,
        "enable_progress_bar": True,
    }
    assert observed(tmp_path, [*watchers(tmp_path), *extra], **watched) == alone


def test_observing_changes_nothing(tmp_path):
    observing_changes_nothing(tmp_path, [])


def test_planted_observer_that_draws_random_numbers_is_caught(tmp_path):
    with pytest.raises(AssertionError):
        observing_changes_nothing(tmp_path, [DrawsNumbers()])


# O20


def test_workers_change_no_weight(tmp_path):
    hashes = []
    for workers in (0, 2):
        parts = small(f"data.num_workers={workers}", "model.dropout=0.3")
        trainer(tmp_path).fit(parts.module, datamodule=parts.data)
        hashes.append(weights_hash(parts.module))
    assert hashes[0] == hashes[1]


def test_another_seed_gives_other_weights(tmp_path):
    assert weights_hash(small(seed=1).module) != weights_hash(small(seed=2).module)
