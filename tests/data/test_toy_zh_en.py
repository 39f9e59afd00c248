"""The toy sentences."""

import re

import pytest

from seq2seq_lab.data.toy_zh_en import ToyZhEn


def test_there_are_at_least_sixty_training_pairs():
    assert len(ToyZhEn().read().train) >= 60


def test_chinese_words_stand_apart():
    text = ToyZhEn().read()
    assert sum(" " in p.source for p in text.train) > 0.9 * len(text.train)


@pytest.mark.parametrize("side", ["source", "target"])
def test_held_out_sentences_use_words_of_the_training_sentences(side):
    text = ToyZhEn().read()
    known = {w for p in text.train for w in re.findall(r"\w+", getattr(p, side))}
    held_out = {w for p in text.val + text.test for w in re.findall(r"\w+", getattr(p, side))}
    assert held_out <= known


def test_the_other_direction_has_the_same_pairs():
    one, other = ToyZhEn("zh", "en").read(), ToyZhEn("en", "zh").read()
    assert [(p.source, p.target) for p in one.test] == [(p.target, p.source) for p in other.test]


@pytest.mark.parametrize("languages", [("zh", "zh"), ("de", "en")])
def test_other_languages_are_refused(languages):
    with pytest.raises(ValueError, match="must be zh and en"):
        ToyZhEn(*languages)
