"""A monitor is a number that a validation measures; any other name is told with the nearest one."""

import csv

import pytest

from seq2seq_lab.metrics.monitor import check_monitor, monitors
from seq2seq_lab.metrics.table import METRICS
from support.small_runs import tiny_run


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("val/blue", "did you mean val/bleu?"),
        ("bleu", "did you mean val/bleu?"),
        ("test/bleu", "did you mean val/bleu?"),
        ("val/los", "did you mean val/loss?"),
        ("attention/entropy", "no validation measures this"),
        ("train/loss_epoch", "no validation measures this"),
        ("", "use val/bleu or val/loss"),
        ("x" * 999, "use val/bleu or val/loss"),
    ],
)
def test_a_name_that_no_validation_measures_is_refused(name, says):
    with pytest.raises(ValueError, match="monitor=") as told:
        check_monitor(name)
    assert says in str(told.value)
    assert len(str(told.value)) < 200


def test_every_metric_of_a_validation_may_be_monitored():
    for name in [*monitors(), "val/loss_at_ratio_0.25", *(f"val/{row}" for row in METRICS)]:
        check_monitor(name)


def test_every_column_of_a_validation_may_be_monitored():
    with (tiny_run() / "metrics.csv").open(encoding="utf-8") as file:
        columns = next(csv.reader(file))
    measured = [name for name in columns if name.startswith("val/")]
    assert "val/exposure_bias" in measured
    for name in measured:
        check_monitor(name)
