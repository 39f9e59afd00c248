"""Random pairs."""

import pytest

from seq2seq_lab.data.random_pairs import RandomPairs
from seq2seq_lab.errors import DataError


def test_both_sides_stay_within_vocabulary_and_length():
    text = RandomPairs(vocab_size=3, min_length=5, max_length=6).read()
    sides = [s.split() for p in text.train for s in (p.source, p.target)]
    assert {w for s in sides for w in s} == {"0", "1", "2"}
    assert {len(s) for s in sides} == {5, 6}


def test_source_and_target_are_unrelated():
    text = RandomPairs(num_train=500).read()
    same_start = sum(p.source[0] == p.target[0] for p in text.train)
    assert abs(same_start - 50) < 27  # binomial(500, 1/10): 4 standard deviations


def test_seeds_differ():
    assert RandomPairs(corpus_seed=1).read() != RandomPairs(corpus_seed=2).read()


def test_too_small_a_vocabulary_is_an_error_with_a_way_out():
    with pytest.raises(DataError, match=r"raise data\.max_length"):
        RandomPairs(vocab_size=2, min_length=1, max_length=2).read()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({"vocab_size": 1}, "vocab_size=1"), ({"min_length": 8}, "max_length=7: .*min_length=8")],
)
def test_wrong_arguments_are_named(arguments, said):
    with pytest.raises(ValueError, match=said):
        RandomPairs(**arguments)
