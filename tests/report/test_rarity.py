"""Words by rarity in a report: means over seeds of a run's own numbers, and nothing where an interval is a guess."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from seq2seq_lab.errors import DataError
from seq2seq_lab.metrics.word_rarity import WORD_F1
from seq2seq_lab.report.page import write_report
from seq2seq_lab.report.rarity import is_defined
from seq2seq_lab.report.statistics import scores_of
from support.study_folder import Plan, write_study

SMALL = Plan(errors={"none": 0.4, "dot": 0.1}, seeds=(1, 2), sentences=30)


@pytest.fixture
def place(tmp_path) -> Path:
    return write_study(tmp_path / "study", SMALL)


def rows(place: Path, name: str = "by_rarity.csv") -> list[dict[str, str]]:
    with (place / "report" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_means_are_those_of_the_runs_results(place):
    write_report(place)
    found = rows(place)
    assert {row["arm"] for row in found} == {"attention=none", "attention=dot"}
    assert len({row["metric"] for row in found}) == 7
    for row in found:
        results = [
            json.loads(p.read_text()) for p in place.glob(f"runs/{row['arm']}-*/result.json")
        ]
        expected = np.mean([result[row["metric"]] for result in results])
        assert float(row["mean"]) == pytest.approx(expected)
        assert bool(row["p_holm"]) == (row["arm"] == "attention=dot")


def test_runs_without_the_counts_have_no_rows(place):
    next(place.glob("runs/*/hypotheses/word_counts.json")).unlink()
    write_report(place)
    assert rows(place) == []


def test_runs_that_trained_on_other_text_are_not_compared(place):
    path = next(place.glob("runs/*/hypotheses/word_counts.json"))
    content = json.loads(path.read_text())
    content["counts"] = {word: count + 1 for word, count in content["counts"].items()}
    path.write_text(json.dumps(content))
    write_report(place)
    assert rows(place) == []


def test_broken_counts_are_refused(place):
    path = next(place.glob("runs/*/hypotheses/word_counts.json"))
    path.write_text('{"counts": {"a": "b"}, "by_character": true}')
    with pytest.raises(DataError, match=r"word_counts\.json: not the counts of words"):
        write_report(place)


def test_a_part_of_too_few_sentences_has_no_interval():
    alone = np.zeros((30, 2))
    alone[3] = 2.0, 4.0
    pair = alone.copy()
    pair[4] = 1.0, 3.0
    many = np.tile([1.0, 2.0], (30, 1))
    for counts, seeds, expected in (
        (alone, (1, 2), False),
        (pair, (1, 2), True),
        (pair, (1,), False),  # some resample has neither
        (many, (1,), True),
    ):
        assert is_defined(scores_of(WORD_F1, seeds, np.stack([counts] * len(seeds)))) is expected
