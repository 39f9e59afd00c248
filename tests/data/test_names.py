"""Sentences about names: what is frequent, what is never seen, and that every name comes back."""

import pytest

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.drawing import Dice
from seq2seq_lab.data.names import DAYS, MONTHS, SENTENCES, Names, draw_name

SMALL = {"num_train": 300, "num_val": 40, "num_test": 40}


def names_in(text: str) -> list[str]:
    return [word for word in text.split() if word[0].isupper()]


def test_both_sides_have_the_same_names():
    text = Names(**SMALL).read()
    for pair in (*text.train, *text.val, *text.test):
        assert sorted(names_in(pair.source)) == sorted(names_in(pair.target))
        assert 2 <= len(names_in(pair.source)) <= 4


def test_a_sentence_by_hand(monkeypatch):
    monkeypatch.setattr(Dice, "below", lambda self, limit: 0)
    monkeypatch.setattr(Dice, "fraction", lambda self: 0.9)
    pair = next(Names()._draw())
    assert (pair.source, pair.target) == ("Baba lives in Baba", "in Baba wohnt Baba")
    assert next(Names("de", "en")._draw()) == Pair(pair.target, pair.source)


def test_another_language_is_refused():
    with pytest.raises(ValueError, match="must be en and de, in either order"):
        Names("en", "fr")


def test_the_share_of_common_names_is_a_number_of_the_corpus():
    for common, expected in ((1.0, 20), (0.0, None)):
        text = Names(common=common, **SMALL).read()
        found = [name for pair in text.train for name in names_in(pair.source)]
        different = len(set(found))
        assert different == expected if expected else different > 0.9 * len(found)


def test_all_other_words_are_few():
    text = Names(**SMALL).read()
    words = {word for pair in text.train for word in pair.target.split() if word[0].islower()}
    fixed = " ".join(target for _, target in (*SENTENCES, *DAYS, *MONTHS)).split()
    assert words <= set(fixed)


def test_a_name_has_two_or_three_syllables():
    dice = Dice(1)
    assert {len(draw_name(dice)) for _ in range(50)} == {4, 6}


@pytest.mark.parametrize("common", [-0.1, 1.1])
def test_a_share_outside_zero_to_one_is_refused(common):
    with pytest.raises(ValueError, match=f"common={common}: must be in"):
        Names(common=common)
