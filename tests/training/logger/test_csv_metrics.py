"""metrics.csv on a full disk, and after a power cut that took its last rows."""

import pytest

from seq2seq_lab.errors import ResourceError
from seq2seq_lab.training.logger import csv_metrics
from seq2seq_lab.training.logger.csv_metrics import CsvMetrics


def test_a_row_that_the_disk_does_not_take_is_an_error_that_names_the_file(tmp_path):
    log = CsvMetrics(tmp_path)
    log.log_metrics({"a": 1.0}, step=1)
    log.path.unlink()
    log.path.symlink_to("/dev/full")
    with pytest.raises(ResourceError, match=r"cannot write .*metrics\.csv: No space left"):
        log.log_metrics({"a": 2.0}, step=2)
    assert log.num_rows == 1


def test_rows_that_the_checkpoint_counts_and_the_file_has_not_are_not_lost_in_silence(
    tmp_path, capsys
):
    CsvMetrics(tmp_path).log_metrics({"a": 1.0}, step=1)
    resumed = CsvMetrics(tmp_path)
    resumed.cut(1)
    assert capsys.readouterr().err == ""
    resumed.cut(3)
    assert "2 of the 3 rows that metrics.csv had" in capsys.readouterr().err


def test_a_row_that_was_cut_off_is_left_out_and_the_next_one_is_whole(tmp_path):
    log = CsvMetrics(tmp_path)
    log.log_metrics({"a": 1.0, "b": 2.0}, step=1)
    with log.path.open("a") as file:
        file.write("2,3.")
    CsvMetrics(tmp_path).log_metrics({"a": 5.0, "b": 6.0}, step=3)
    assert log.path.read_text() == "step,a,b\n1,1.0,2.0\n3,5.0,6.0\n"


def test_a_disk_that_fails_under_the_rows_is_an_error_that_names_the_file(tmp_path, monkeypatch):
    log = CsvMetrics(tmp_path)
    log.sync()  # nothing yet
    log.log_metrics({"a": 1.0}, step=1)
    log.sync()

    def broken(path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(csv_metrics, "sync_path", broken)
    with pytest.raises(ResourceError, match=r"cannot write .*metrics\.csv: Input/output error"):
        log.sync()
