"""The counts that a report keeps: the same numbers from them, and anew wherever they do not fit."""

from pathlib import Path

import pytest

from seq2seq_lab.metrics.metric import Sacrebleu
from seq2seq_lab.report import statistics_cache
from seq2seq_lab.report.analysis import analyse
from seq2seq_lab.report.page import write_report
from seq2seq_lab.report.records import read_records
from seq2seq_lab.report.statistics_cache import FOLDER
from support.study_folder import Plan, write_study


@pytest.fixture
def place(tmp_path):
    return write_study(tmp_path / "s", Plan(errors={"a": 0.4, "b": 0.2}, seeds=(1, 2), sentences=6))


def pages(place):
    """Every file of the report."""
    write_report(place)
    return {path.name: path.read_bytes() for path in (place / "report").iterdir()}


def kept(place):
    return sorted((place / "runs").glob(f"*/{FOLDER}/*"))


def test_a_report_from_kept_counts_has_the_same_bytes_and_counts_nothing(place, monkeypatch):
    first = pages(place)
    assert kept(place)
    monkeypatch.setattr(Sacrebleu, "statistics_of_several", None)
    assert pages(place) == first


@pytest.mark.parametrize("harm", ["torn", "a number", "another output", "gone", "empty"])
def test_what_does_not_fit_is_counted_again(place, harm):
    first = pages(place)
    one = kept(place)[0]
    content = one.read_bytes()
    if harm == "torn":
        one.write_bytes(content[:-9])
    elif harm == "a number":
        one.write_bytes(content[:-8] + b"\0\0\0\0\0\0\x22\x40")
    elif harm == "another output":
        other = next(p for p in kept(place) if p.name == one.name and p.parent != one.parent)
        one.write_bytes(other.read_bytes())
    elif harm == "gone":
        one.unlink()
    else:
        one.write_bytes(b"")
    assert pages(place) == first
    assert one.read_bytes() == content


def test_planted_trust_in_whatever_lies_there_is_caught(place, monkeypatch):
    first = pages(place)
    by_metric = [p for p in kept(place) if p.name == kept(place)[0].name]
    by_metric[0].write_bytes(by_metric[-1].read_bytes())
    content = by_metric[-1].read_bytes()
    monkeypatch.setattr(statistics_cache, "_key", lambda *_: content[:32])
    assert pages(place) != first


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(place):
    first = pages(place)
    for folder in (place / "runs").iterdir():
        for path in (folder / FOLDER).iterdir():
            path.unlink()
        (folder / FOLDER).rmdir()
        Path(folder / FOLDER).write_text("in the way")
    assert pages(place) == first


def test_the_counts_are_those_of_the_metric(place):
    records = read_records(place)
    first = analyse(records).scores["bleu"]
    again = analyse(records).scores["bleu"]
    for arm, scores in first.items():
        assert scores.statistics.tolist() == again[arm].statistics.tolist()
        outputs = [[t.hypothesis for t in run.translated] for run in records.arms[arm]]
        references = [t.reference for t in records.arms[arm][0].translated]
        assert scores.statistics.tolist() == scores.metric.statistics(outputs, references).tolist()
