"""Opposites."""

import pytest

from seq2seq_lab.data.antonyms import Antonyms
from seq2seq_lab.data.corpus import Pair


def test_there_are_at_least_sixty_training_pairs_of_single_words():
    text = Antonyms().read()
    assert len(text.train) >= 60
    assert not any(" " in p.source + p.target for p in text.train + text.val + text.test)


@pytest.mark.parametrize(
    ("source", "target", "pair"),
    [
        ("en", "en", Pair("big", "small")),
        ("zh", "zh", Pair("大", "小")),
        ("en", "zh", Pair("big", "小")),
        ("zh", "en", Pair("大", "small")),
    ],
)
def test_opposites_come_in_the_target_language(source, target, pair):
    assert pair in Antonyms(source, target).read().train


def test_no_word_is_its_own_opposite():
    text = Antonyms().read()
    assert all(p.source != p.target for p in text.train + text.val + text.test)


def test_other_languages_are_refused():
    with pytest.raises(ValueError, match="target_language=de: must be one of en, zh"):
        Antonyms(target_language="de")
