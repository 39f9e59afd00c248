"""CLDR phrases in two locales."""

from datetime import date

import pytest
from babel import Locale

from seq2seq_lab.data import phrases
from seq2seq_lab.data.drawing import Dice
from seq2seq_lab.data.phrases import Phrases, clause_kinds
from seq2seq_lab.errors import DataError

SMALL = {"num_train": 150, "num_val": 20, "num_test": 20}
KINDS = {"date", "time", "span", "unit", "amount", "countries", "languages"}


@pytest.mark.parametrize(
    ("source", "target"), [("en", "de"), ("zh", "fr"), ("ar", "ja"), ("pt-BR", "ru")]
)
def test_well_known_locales_have_every_kind(source, target):
    locales = [Locale.parse(code.replace("-", "_")) for code in (source, target)]
    assert set(clause_kinds(*locales)) == KINDS


def test_a_date_is_written_as_each_language_writes_it(monkeypatch):
    monkeypatch.setattr(Dice, "between", lambda self, low, high: date(2021, 3, 4).toordinal())
    monkeypatch.setattr(Dice, "pick", lambda self, items: items[0])
    render = phrases.draw_date(Dice(1))
    written = [render(Locale(code)) for code in ("en", "de", "zh")]
    assert written == ["Thursday, March 4, 2021", "Donnerstag, 4. März 2021", "2021年3月4日星期四"]


def test_chinese_units_are_words_and_no_internal_names():
    text = Phrases("en", "zh", **SMALL).read()
    assert not any(unit in p.target for p in text.train for unit in phrases.UNITS)


def test_a_kind_without_words_is_left_out():
    kinds = set(
        clause_kinds(Locale("aa"), Locale("de"))
    )  # Afar: no names of countries or languages
    assert kinds
    assert not kinds & {"countries", "languages"}


def test_lists_hold_names_of_both_locales():
    english, german = Locale("en"), Locale("de")
    render = phrases.draw_list(Dice(1), "territories", ["DE", "FR"])
    names = {code: (english.territories[code], german.territories[code]) for code in ("DE", "FR")}
    shared = [c for c, (e, g) in names.items() if e in render(english) and g in render(german)]
    assert shared


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 3)])
def test_the_count_of_clauses_is_a_dial(low, high):
    text = Phrases(min_clauses=low, max_clauses=high, **SMALL).read()
    counts = {p.source.count("; ") + 1 for p in text.train}
    assert counts == set(range(low, high + 1))
    assert all(p.source.count("; ") == p.target.count("; ") for p in text.train)


def test_spaces_are_plain():
    text = Phrases("en", "fr", **SMALL).read()
    assert not any(set(p.source + p.target) & {"\u00a0", "\u202f"} for p in text.train)


def test_locales_without_common_words_are_an_error(monkeypatch):
    monkeypatch.setattr(phrases, "clause_kinds", lambda source, target: {})
    with pytest.raises(DataError, match="no words for both en and de"):
        Phrases(**SMALL).read()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"min_clauses": 0}, "min_clauses=0"),
        ({"min_clauses": 3, "max_clauses": 2}, "max_clauses=2"),
        ({"target_language": "germn"}, "did you mean .*de"),
    ],
)
def test_wrong_arguments_are_named(arguments, said):
    with pytest.raises(ValueError, match=said):
        Phrases(**arguments)
