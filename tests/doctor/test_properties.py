"""The list of properties: what it names exists, and docs/properties.md is the same list."""

import importlib
from dataclasses import replace
from pathlib import Path

import pytest

from seq2seq_lab.doctor.properties import PROPERTIES, Property, page

ROOT = Path(__file__).resolve().parents[2]


def exists(place: str) -> bool:
    """Return whether a test file, or a function of the doctor (`module.function`), exists."""
    if place.startswith("tests/"):
        file = ROOT / place
        return file.is_file() and "def test_" in file.read_text(encoding="utf-8")
    module, _, function = place.partition(".")
    try:
        found = importlib.import_module(f"seq2seq_lab.doctor.{module}")
    except ModuleNotFoundError:
        return False
    return callable(getattr(found, function, None))


def missing(one: Property) -> list[str]:
    places = [*one.tests, *filter(None, [one.doctor])]
    return [place for place in places if not exists(place)]


def test_the_properties_are_o1_to_o25():
    assert list(PROPERTIES) == [f"O{number}" for number in range(1, 26)]


@pytest.mark.parametrize("one", PROPERTIES.values(), ids=lambda one: one.id)
def test_a_property_is_named_described_and_checked_where_it_says(one):
    assert 0 < len(one.name) < 50  # a column of the doctor's table
    assert one.name[0].islower()
    assert one.sentence.endswith(".")
    assert one.sentence.count(". ") == 0
    assert "|" not in one.name + one.sentence
    assert one.tests
    assert missing(one) == []


@pytest.mark.parametrize("place", ["tests/test_nothing.py", "padding.nothing", "nothing.at_all"])
def test_planted_place_that_does_not_exist_is_found(place):
    change = {"tests": (place,)} if place.startswith("tests/") else {"doctor": place}
    assert missing(replace(PROPERTIES["O5"], **change)) == [place]


def test_the_page_is_the_list():
    """python -c "from seq2seq_lab.doctor.properties import page; print(page(), end='')" > docs/properties.md"""
    assert (ROOT / "docs" / "properties.md").read_text(encoding="utf-8") == page()
