"""What `benchmark.py scale` measures: the points asked for, text of the size asked for, and the power of a growth."""

import argparse
import json

import pytest

from benchmark import scale
from benchmark.scale import exponents, points
from benchmark.scale_figure import draw
from benchmark.scale_point import SOURCE, TARGET, write_text
from benchmark.scale_studies import planned


def arguments(**given):
    axes = dict.fromkeys(scale.AXES)
    return argparse.Namespace(**axes | {"results": None, "figure": None} | given)


def test_an_axis_without_sizes_is_left_out():
    found = list(points(arguments(sentences=[], lengths=[7], vocabularies=[], studies=[3])))
    assert [(one["axis"], one["size"]) for one in found] == [("lengths", 7), ("studies", 3)]
    assert found[0]["length"] == 7


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_the_power_of_a_growth_is_found(power):
    found = [{"size": n, "setup_s": 3.0 * n**power} for n in (10, 100, 1000)]
    assert exponents(found, "setup_s") == pytest.approx({100: power, 1000: power})


def test_sentences_differ_and_are_of_the_length_and_vocabulary_asked_for(tmp_path):
    write_text(tmp_path, {"pairs": 6000, "length": 10, "vocabulary": 50})
    for name in (SOURCE, TARGET):
        lines = (tmp_path / name).read_text().splitlines()
        words = [line.split() for line in lines]
        assert (len(lines), len({word for line in words for word in line})) == (6000, 50)
        assert sum(map(len, words)) / 6000 == pytest.approx(10, rel=0.1)
    assert len(set(lines)) > 5_900  # two halves may be the same


def test_the_runs_of_a_study_have_names_of_their_own():
    assert len({run.name for run in planned(25)}) == 25


def test_a_point_that_is_kept_is_not_measured_again(tmp_path, monkeypatch):
    measured = []
    monkeypatch.setattr(
        scale, "measured", lambda p: measured.append(p["size"]) or p | {"setup_s": 1.0}
    )
    given = {"sentences": [10], "lengths": [], "vocabularies": [], "studies": []}
    kept = tmp_path / "kept"
    scale.scale(arguments(**given, results=str(kept)), None)
    again = given | {"sentences": [10, 20]}
    found = scale.scale(arguments(**again, results=str(kept)), None)
    assert measured == [10, 20]
    assert [json.loads(line) for line in kept.read_text().splitlines()] == found["points"]


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_figure_is_drawn(tmp_path, suffix):
    found = [{"axis": "sentences", "size": n, "setup_s": n / 10, "peak_mb": 5.0} for n in (10, 100)]
    draw(found, tmp_path / f"figure.{suffix}")
    assert (tmp_path / f"figure.{suffix}").stat().st_size > 1000
