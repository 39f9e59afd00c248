"""Draws and disjoint splits."""

import itertools
from collections import Counter

import pytest

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.drawing import Dice, check_range, check_sizes, fill_splits, split_of
from seq2seq_lab.errors import DataError


def counting():
    return (Pair(str(i), "x") for i in itertools.count())


def test_one_source_in_ten_is_for_test_and_one_for_validation():
    counts = Counter(split_of(str(i)) for i in range(10_000))
    # binomial(10000, 0.1): standard deviation 30
    assert abs(counts["test"] - 1000) < 120
    assert abs(counts["val"] - 1000) < 120


def test_growing_one_split_leaves_the_others_as_they_are():
    small = fill_splits(counting(), {"train": 10, "val": 3, "test": 5}, "")
    large = fill_splits(counting(), {"train": 500, "val": 3, "test": 5}, "")
    assert (small.val, small.test) == (large.val, large.test)
    assert large.train[:10] == small.train


def test_a_repeated_source_is_taken_once():
    twice = (pair for pair in counting() for _ in range(2))
    assert len({p.source for p in fill_splits(twice, {"train": 50}, "").train}) == 50


def test_too_few_different_sentences_end_with_advice_not_in_an_endless_loop():
    same = itertools.cycle([Pair("a", "b")])
    with pytest.raises(DataError, match=r"1 of 2 train.*; ask for fewer"):
        fill_splits(same, {"train": 2} if split_of("a") == "train" else {}, "ask for fewer")


def test_dice_stay_within_their_limits():
    dice = Dice(1)
    assert {dice.below(3) for _ in range(200)} == {0, 1, 2}
    assert {dice.between(5, 7) for _ in range(200)} == {5, 6, 7}


def test_a_fraction_that_rounds_up_stays_below_the_limit(monkeypatch):
    monkeypatch.setattr(Dice, "fraction", lambda self: 1 - 2**-53)
    limit = 2**60
    assert (1 - 2**-53) * (limit - 1) >= limit - 2**8
    assert Dice(1).below(limit) < limit


def test_log_uniform_draws_each_count_of_digits_alike_often():
    dice = Dice(1)
    counts = Counter(len(str(dice.log_uniform(9999))) for _ in range(8000))
    # binomial(8000, 1/4): standard deviation 39
    assert set(counts) == {1, 2, 3, 4}
    assert all(abs(n - 2000) < 160 for n in counts.values())


@pytest.mark.parametrize("highest", [1, 9, 10, 11, 123, 1000])
def test_log_uniform_reaches_zero_and_the_highest_and_goes_no_further(highest):
    dice = Dice(1)
    drawn = {dice.log_uniform(highest) for _ in range(4_000)}
    assert min(drawn) == 0
    assert highest * 0.95 <= max(drawn) <= highest


def test_a_sample_has_no_item_twice():
    dice = Dice(1)
    assert all(len(set(dice.sample(list("abc"), 3))) == 3 for _ in range(50))


def test_dice_of_one_seed_agree_and_of_two_seeds_differ():
    draws = [[Dice(seed).below(1000) for _ in range(1)] for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_sizes_below_one_are_refused_by_name():
    with pytest.raises(ValueError, match=r"num_val=0: must be >= 1"):
        check_sizes(1, 0, 1)


@pytest.mark.parametrize(("low", "high", "said"), [(0, 3, "low=0"), (3, 2, "high=2.*low=3")])
def test_impossible_ranges_are_refused_by_name(low, high, said):
    with pytest.raises(ValueError, match=said):
        check_range("low", low, "high", high)
