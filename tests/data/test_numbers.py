"""Numbers in words."""

import re

import pytest

from seq2seq_lab.data.drawing import Dice
from seq2seq_lab.data.numbers import Numbers, speller
from seq2seq_lab.errors import DataError

SMALL = {"num_train": 200, "num_val": 20, "num_test": 20}
UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
UNITS += " fifteen sixteen seventeen eighteen nineteen"
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
ENGLISH = {word: i for i, word in enumerate(UNITS.split())}
ENGLISH |= {word: 10 * i for i, word in enumerate(TENS.split(), 2)}
DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")}


def english_value(text: str) -> int:
    """Read English words: an own, plain parser."""
    total = part = 0
    for word in re.split(r"[ -]", text):
        if word == "hundred":
            part *= 100
        elif word in ("thousand", "million"):
            total += part * {"thousand": 1000, "million": 1_000_000}[word]
            part = 0
        else:
            part += ENGLISH[word]
    return total + part


def chinese_value(text: str) -> int:
    """Read Chinese numerals: an own, plain parser."""
    total = part = digit = 0
    for c in text:
        if c == "万":
            total, part, digit = (part + digit) * 10_000, 0, 0
        elif c in "十百千":
            part += (digit or 1) * {"十": 10, "百": 100, "千": 1000}[c]
            digit = 0
        else:
            digit = DIGITS[c]
    return total + part + digit


@pytest.mark.parametrize(
    ("language", "number", "words"),
    [
        ("en", 123, "one hundred twenty-three"),
        ("en", 20_000_000, "twenty million"),
        ("zh", 12_345_678, "一千二百三十四万五千六百七十八"),
        ("zh", 20_405, "二万零四百零五"),
        ("de", 21, "einundzwanzig"),
        ("fr", 80, "quatre-vingts"),
        ("ja", 10_000, "一万"),
        ("es", 16, "dieciséis"),
    ],
)
def test_words_are_those_of_a_dictionary(language, number, words):
    assert speller(language)(number) == words


def test_both_sides_say_the_same_numbers():
    for pair in Numbers(**SMALL).read().train:
        english = [english_value(t) for t in pair.source.split(", ")]
        assert english == [chinese_value(t) for t in pair.target.split("，")]


def test_remembered_parts_change_no_word():
    from unicode_rbnf import RbnfEngine

    dice = Dice(1)
    for language, ruleset in (("en", "spellout-cardinal"), ("zh", "spellout-cardinal")):
        engine = RbnfEngine.for_language(language)
        for number in [dice.log_uniform(99_999_999) for _ in range(300)]:
            plain = "".join(engine.iter_format_number(number, ruleset_name=ruleset))
            assert speller(language)(number) == plain


def test_length_and_size_are_dials():
    text = Numbers(max_numbers=2, max_value=999, **SMALL).read()
    values = [[english_value(t) for t in p.source.split(", ")] for p in text.train]
    assert {len(v) for v in values} == {1, 2}
    assert 100 < max(map(max, values)) <= 999


def test_small_and_large_numbers_are_alike_often():
    text = Numbers(max_value=99_999_999, num_train=2000, num_val=1, num_test=1).read()
    values = [english_value(t) for p in text.train for t in p.source.split(", ")]
    # eight counts of digits; a few short sentences are missing because none is repeated
    shares = [sum(len(str(v)) == d for v in values) / len(values) for d in range(1, 9)]
    assert all(0.1 < share < 0.15 for share in shares)


def test_the_seed_chooses_the_sentences():
    first, same, other = (Numbers(corpus_seed=seed, **SMALL).read() for seed in (1, 1, 2))
    assert first == same
    assert first.train != other.train


def test_training_and_test_sentences_are_disjoint_over_seeds_and_lengths():
    train = {p.source for p in Numbers(corpus_seed=5, max_value=99, **SMALL).read().train}
    test = {
        p.source for p in Numbers(corpus_seed=6, max_value=99, max_numbers=2, **SMALL).read().test
    }
    assert not train & test


@pytest.mark.parametrize("language", ["ar", "zh-Hant", "ko", "hi", "ru", "ga", "fa", "th"])
def test_other_languages_count_too(language):
    corpus = Numbers("en", language, num_train=50, num_val=5, num_test=5)
    assert corpus.target_language == language
    assert all(p.target.strip() for p in corpus.read().train)


@pytest.mark.parametrize("language", ["ff", "ga", "sw"])
def test_a_comma_inside_a_number_is_not_the_one_between_numbers(language):
    for pair in Numbers("en", language, max_numbers=3, **SMALL).read().train:
        assert pair.target.count("; ") == pair.source.count(", ")


def test_too_few_sentences_are_an_error_with_a_way_out():
    with pytest.raises(DataError, match=r"raise data\.max_numbers or data\.max_value"):
        Numbers(max_numbers=1, max_value=50, **SMALL).read()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"max_numbers": 0}, "max_numbers=0"),
        ({"max_value": 0}, "max_value=0"),
        ({"max_value": 10**15}, "max_value=10{15}"),
        ({"num_train": 0}, "num_train=0"),
        ({"target_language": "german"}, r"target_language=german: .* did you mean de \(German\)\?"),
        ({"source_language": "xx"}, "source_language=xx: .* among them ar, de, en"),
    ],
)
def test_wrong_arguments_are_named(arguments, said):
    with pytest.raises(ValueError, match=said):
        Numbers(**arguments)
