"""Turkish nouns as a grammar of the language has them, and splits that do not depend on the features."""

import pytest

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.inflection import CASES, NUMBERS, POSSESSIVES, VOWELS, Inflection, inflected

GOLDEN = """
ev ACC SG - evi          ev LOC PL - evlerde         ev GEN SG PSS3S evinin      ev DAT PL PSS3S evlerine
ev INS SG PSS3S eviyle   kitap LOC SG - kitapta      araba ACC SG - arabayı      araba LOC SG PSS3S arabasında
araba INS SG - arabayla  göz DAT SG PSS1S gözüme     okul ABL SG - okuldan       deniz ACC PL - denizleri
kedi GEN SG - kedinin    kutu DAT SG - kutuya        kol NOM SG PSS2S kolun      at ABL SG - attan
otobüs LOC SG - otobüste at NOM PL PSS1S atlarım     köprü NOM SG PSS3S köprüsü  gün ABL SG PSS3S gününden
"""
WORDS = GOLDEN.split()
FORMS = [WORDS[i : i + 5] for i in range(0, len(WORDS), 5)]


@pytest.mark.parametrize(("stem", "case", "number", "possessive", "form"), FORMS)
def test_real_words_have_their_real_forms(stem, case, number, possessive, form):
    assert inflected(stem, case, number, possessive.strip("-")) == form


def test_planted_bug_without_harmony_is_caught(monkeypatch):
    monkeypatch.setattr("seq2seq_lab.data.inflection.BACK", VOWELS)
    wrong = [row for row in FORMS if inflected(*row[:3], row[3].strip("-")) != row[4]]
    assert len(wrong) > 5


def test_the_paradigm_has_56_forms():
    assert len(CASES) * len(NUMBERS) * len(POSSESSIVES) == 56


def test_features_say_which_form_and_do_not_change_the_splits():
    sizes = {"num_train": 60, "num_val": 20, "num_test": 10}
    told, untold = (Inflection(**sizes, features=f).read() for f in (True, False))
    for part in ("train", "val", "test"):
        for pair, bare in zip(getattr(told, part), getattr(untold, part), strict=True):
            stem, _, features = pair.source.partition("\t")
            assert bare == Pair(stem, pair.target)
            _, case, number, *possessive = features.split(";")
            assert inflected(stem, case, number, "".join(possessive)) == pair.target


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_syllables": 0}, "min_syllables=0: must be >= 1"),
        ({"max_syllables": 0}, "max_syllables=0: must be >= min_syllables=1"),
        ({"num_test": 0}, "num_test=0: must be >= 1"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Inflection(**settings)
