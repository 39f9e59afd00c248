"""O20 and O22: what must not change a weight, bit for bit."""

from seq2seq_lab.config.build import build
from seq2seq_lab.config.compose import compose
from seq2seq_lab.testing.callback import observing_changes_nothing
from seq2seq_lab.training.logger.csv_metrics import CsvMetrics
from support.small_runs import small, trainer, weights_hash

# O22


def watchers():
    names = ("bleu", "samples", "throughput", "progress", "exposure_bias")
    nodes = compose([])["training"]["callback"]
    return [build(nodes[name]) for name in names]


def test_observing_changes_nothing(tmp_path):
    """O22: the same weights, bit for bit, with every observer (planted ones: test_callback.py)."""
    watched = {
        "logger": [CsvMetrics(tmp_path)],
        "log_every_n_steps": 1,
        "enable_progress_bar": True,
    }
    observing_changes_nothing(tmp_path, watchers(), **watched)


def test_the_frequency_of_validation_changes_nothing(tmp_path):
    observing_changes_nothing(tmp_path, [], check_val_every_n_epoch=2)


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
