"""Which words say which digits of a number, and the alignment of a list of them, against what a reader sees."""

import pytest

from seq2seq_lab.data import number_alignment
from seq2seq_lab.data.number_alignment import digit_spans, list_alignment
from seq2seq_lab.data.numbers import Numbers, speller

SAID = [
    ("en", 705, [{"five"}, set(), {"seven"}]),
    ("zh", 705, [{"五"}, set(), {"七"}]),
    ("en", 12, [{"twelve"}, {"twelve"}]),
    ("zh", 12, [{"二"}, set()]),  # 十 is the sign of the tens, no digit
    ("en", 342_119, [{"nineteen"}, {"nineteen"}, {"one"}, {"forty-two"}, {"forty-two"}, {"three"}]),
    ("zh", 342_119, [{"九"}, {"一"}, {"一"}, {"二"}, {"四"}, {"三"}]),
    ("fr", 105, [{"cinq"}, set(), set()]),  # cent cinq: the hundred has no word for its one
    ("de", 42, [{"zweiundvierzig"}, {"zweiundvierzig"}]),
    ("en", 0, [set()]),
]


@pytest.mark.parametrize(("language", "number", "said"), SAID)
def test_the_words_that_say_each_digit(language, number, said):
    spell = speller(language)
    text, found = spell(number), digit_spans(number, spell)
    assert [{text[slice(*span)] for span in spans} for spans in found] == said


def texts(pair, links):
    return [(pair[0][slice(*left)], pair[1][slice(*right)]) for left, right in links]


def test_a_list_is_linked_number_by_number():
    pair = ("seventy-nine, five", "七十九，五")
    found = list_alignment([79, 5], (speller("en"), speller("zh")), (", ", "，"))
    assert texts(pair, found.possible) == [("seventy-nine", "七十九"), ("five", "五")]
    assert sorted(texts(pair, found.sure)) == sorted(
        [("seventy-nine", "九"), ("seventy-nine", "七"), (", ", "，"), ("five", "五")]
    )


def test_a_number_that_comes_twice_is_linked_twice():
    found = list_alignment([5, 5], (speller("en"), speller("zh")), (", ", "，"))
    assert found.sure == (((0, 4), (0, 1)), ((4, 6), (1, 2)), ((6, 10), (2, 3)))


def test_every_test_pair_of_the_corpus_is_aligned_and_no_other():
    corpus = Numbers(num_train=40, num_val=5, num_test=20)
    text = corpus.read()
    assert None not in corpus.alignments(text.test)
    assert set(corpus.alignments(text.train[:5])) == {None}
    for pair, found in zip(text.test, corpus.alignments(text.test), strict=True):
        numbers = found.possible
        assert len(numbers) == pair.source.count(", ") + 1
        assert "".join(pair.target[slice(*right)] for _, right in numbers) == pair.target.replace(
            "，", ""
        )


def test_planted_digits_from_the_left_are_caught(monkeypatch):
    monkeypatch.setattr(number_alignment, "reversed", iter, raising=False)
    digit_spans.cache_clear()
    with pytest.raises(AssertionError):
        test_the_words_that_say_each_digit(*SAID[5])
    digit_spans.cache_clear()
