"""A report that the disk does not take: a warning while the study runs, an error at its end."""

import os
import time
from pathlib import Path

import pytest

from seq2seq_lab.errors import ResourceError
from seq2seq_lab.report import refresh
from seq2seq_lab.report.refresh import refresh_report
from support.study_folder import Plan, write_study


@pytest.mark.parametrize("in_the_way", ["report", "locks"])
def test_the_last_report_is_written_or_the_command_fails(tmp_path, capsys, in_the_way):
    place = write_study(tmp_path / "small", Plan(errors={"dot": 0.1}, seeds=(1,), sentences=4))
    (place / in_the_way).write_text("a file where a folder should be")
    refresh_report(place, wait=False)
    assert "warning: the report was not written" in capsys.readouterr().err
    with pytest.raises(ResourceError, match=r"report: not written, .*run the same command again"):
        refresh_report(place, wait=True)


def pages_of(place, monkeypatch, seconds):
    """How many of the refreshes after each run write a report, where a report takes 1 s and a run `seconds`."""
    clock, written = [1000.0], []

    def write(study_dir):
        clock[0] += 1.0
        path = study_dir / "report" / "index.html"
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.utime(path, (clock[0], clock[0]))
        written.append(clock[0])

    real = Path.touch

    def touch(path, *arguments, **named):
        real(path, *arguments, **named)
        os.utime(path, (clock[0], clock[0]))

    monkeypatch.setattr("seq2seq_lab.report.page.write_report", write)
    monkeypatch.setattr(Path, "touch", touch)
    monkeypatch.setattr(time, "time", lambda: clock[0])
    for _ in range(100):
        clock[0] += seconds
        refresh_report(place, wait=False)
    return len(written)


def test_reports_of_long_runs_are_written_after_each(tmp_path, monkeypatch):
    assert pages_of(tmp_path, monkeypatch, 11.0) == 100


def test_reports_take_a_tenth_of_the_time_of_short_runs(tmp_path, monkeypatch):
    assert pages_of(tmp_path, monkeypatch, 1.0) == 10


def test_planted_report_after_every_run_is_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(refresh, "_is_due", lambda _: True)
    with pytest.raises(AssertionError):
        test_reports_take_a_tenth_of_the_time_of_short_runs(tmp_path, monkeypatch)


def test_the_last_report_is_always_written(tmp_path, monkeypatch):
    place = write_study(tmp_path / "small", Plan(errors={"dot": 0.1}, seeds=(1,), sentences=4))
    monkeypatch.setattr(refresh, "_is_due", lambda _: False)
    refresh_report(place, wait=False)
    assert not (place / "report").exists()
    refresh_report(place, wait=True)
    assert (place / "report" / "index.html").exists()


@pytest.mark.parametrize("ahead", [-3600.0, 3600.0])
def test_a_clock_that_was_set_does_not_stop_the_reports(tmp_path, ahead):
    place = write_study(tmp_path / "small", Plan(errors={"dot": 0.1}, seeds=(1,), sentences=4))
    refresh_report(place, wait=False)
    page = place / "report" / "index.html"
    if ahead > 0:  # written in what is the future now
        os.utime(page, (time.time() + ahead,) * 2)
        page.write_text(page.read_text() + " ")
        os.utime(page, (time.time() + ahead,) * 2)
    else:  # a report that seems to have taken no time
        os.utime(place / "locks" / "report.began", (time.time() + 60,) * 2)
        page.write_text("old")
    refresh_report(place, wait=False)
    assert page.read_text() != "old"
    assert not page.read_text().endswith(" ")
