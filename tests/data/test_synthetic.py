"""Copy, reverse, sort."""

import itertools

import pytest

from seq2seq_lab.data.synthetic import Copy, Reverse, Sort, ascending, backwards, copied

SMALL = {"num_train": 100, "num_val": 20, "num_test": 20}
ANSWERS = {Copy: [3, 1, 2, 1], Reverse: [1, 2, 1, 3], Sort: [1, 1, 2, 3]}


@pytest.mark.parametrize(("kind", "answer"), ANSWERS.items())
def test_answers_worked_by_hand(kind, answer):
    assert kind().answer([3, 1, 2, 1]) == answer


@pytest.mark.parametrize("task", [copied, backwards, ascending])
def test_the_source_is_left_alone(task):
    symbols = [3, 1, 2]
    task(symbols)
    assert symbols == [3, 1, 2]


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_target_is_the_answer_to_its_source(kind):
    corpus = kind(**SMALL)
    text = corpus.read()
    for pair in text.train + text.val + text.test:
        symbols = [int(s) for s in pair.source.split()]
        assert [int(s) for s in pair.target.split()] == corpus.answer(symbols)


def test_sorting_is_by_value_and_not_by_spelling():
    text = Sort(vocab_size=20, **SMALL).read()
    values = [[int(s) for s in p.target.split()] for p in text.train]
    assert all(a <= b for v in values for a, b in itertools.pairwise(v))


def test_vocabulary_and_lengths_are_dials():
    text = Copy(vocab_size=7, min_length=4, max_length=6, **SMALL).read()
    sources = [[int(s) for s in p.source.split()] for p in text.train]
    assert {s for symbols in sources for s in symbols} == set(range(7))
    assert {len(symbols) for symbols in sources} == {4, 5, 6}


def test_the_test_split_can_be_longer_than_what_was_trained():
    text = Reverse(max_length=5, test_min_length=8, test_max_length=9, **SMALL).read()
    lengths = [{len(p.source.split()) for p in part} for part in (text.train, text.val, text.test)]
    assert lengths == [{3, 4, 5}, {3, 4, 5}, {8, 9}]


def test_the_range_of_the_test_split_leaves_the_others_as_they_are():
    plain, longer = Copy(**SMALL).read(), Copy(test_max_length=30, **SMALL).read()
    assert (plain.train, plain.val) == (longer.train, longer.val)
    assert plain.test != longer.test


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"vocab_size": 1}, "vocab_size=1"),
        ({"min_length": 0}, "min_length=0"),
        ({"max_length": 2}, "max_length=2: must be >= min_length=3"),
        ({"test_min_length": 11}, "test_max_length=10: must be >= test_min_length=11"),
        ({"num_test": 0}, "num_test=0"),
    ],
)
def test_wrong_arguments_are_named(arguments, said):
    with pytest.raises(ValueError, match=said):
        Copy(**arguments)
