"""Automatic splits: without overlap, non-empty, the same in any order and process."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq_lab.data import split
from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.split import REPEATS, Shares, assign, by_either_side, by_source, split_pairs
from seq2seq_lab.errors import DataError

TENTH = Shares(0.1, 0.1)
PAIRS = st.lists(
    st.builds(Pair, st.sampled_from("abcdefg"), st.sampled_from("uvwxyz")), min_size=1, max_size=40
)


def check_splits(pairs: list[Pair], shares: Shares) -> None:
    """Law: every pair in exactly one split, none empty, no source in two of them."""
    made = split_pairs(pairs, split.by_source(pairs), shares, {}, "x.tsv")
    parts = [made.train, made.val, made.test]
    assert all(parts)
    assert sorted(map(repr, itertools.chain(*parts))) == sorted(map(repr, pairs))
    sources = [{pair.source for pair in part} for part in parts]
    assert sum(map(len, sources)) == len(set.union(*sources))


@settings(max_examples=200, deadline=None)
@given(PAIRS, st.floats(0.01, 0.49), st.floats(0.01, 0.49))
def test_splits_are_disjoint_and_full(pairs, val, test):
    if len({pair.source for pair in pairs}) < 3:
        with pytest.raises(DataError, match="cannot be split"):
            check_splits(pairs, Shares(val, test))
    else:
        check_splits(pairs, Shares(val, test))


def test_planted_split_by_row_is_caught(monkeypatch):
    monkeypatch.setattr(split, "by_source", lambda pairs: [str(i) for i in range(len(pairs))])
    pairs = [Pair(f"s{i % 5}", f"t{i}") for i in range(50)]
    with pytest.raises(AssertionError):
        check_splits(pairs, Shares(0.3, 0.3))


@settings(max_examples=100, deadline=None)
@given(PAIRS)
def test_no_side_of_a_component_lies_outside(pairs):
    keys = by_either_side(pairs)
    for a, one in zip(keys, pairs, strict=True):
        for b, other in zip(keys, pairs, strict=True):
            assert a == b or (one.source != other.source and one.target != other.target)


def test_components_are_no_coarser_than_needed():
    pairs = [Pair("a", "x"), Pair("a", "y"), Pair("b", "y"), Pair("y", "a"), Pair("c", "z")]
    assert [len(set(by_either_side(pairs[:3]))), len(set(by_either_side(pairs)))] == [1, 3]


def test_order_of_the_rows_does_not_matter():
    pairs = [Pair(f"s{i % 37}", f"t{i}") for i in range(101)]
    shuffled = [pairs[i * 50 % 101] for i in range(101)]  # 50 is prime to 101
    for keys in (by_source, by_either_side):
        first = dict(zip(pairs, assign(keys(pairs), TENTH, "x").tolist(), strict=True))
        other = dict(zip(shuffled, assign(keys(shuffled), TENTH, "x").tolist(), strict=True))
        assert first == other


def test_hash_seed_does_not_matter():
    code = (
        "from seq2seq_lab.data.split import *; "
        "print(assign([str(i % 37) for i in range(99)], Shares(.1, .1), 'x').tolist())"
    )
    results = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(results) == 1


def test_shares_are_kept_to_the_pair():
    found = assign([str(i) for i in range(1000)], Shares(0.1, 0.05), "x")
    assert np.bincount(found).tolist() == [850, 100, 50]


def test_at_most_2000_pairs_are_held_out():
    found = assign([str(i) for i in range(30_000)], TENTH, "x")
    assert np.bincount(found).tolist() == [26_000, 2000, 2000]


@pytest.mark.parametrize("count", [3, 5, 6])
def test_tiny_tables_give_each_split_a_pair(count):
    check_splits([Pair(str(i), str(i)) for i in range(count)], TENTH)


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_pairs_are_refused_with_the_way_out(count):
    with pytest.raises(DataError, match=rf"x\.tsv: {count} pairs, .*debug=overfit"):
        assign([str(i) for i in range(count)], TENTH, "x.tsv")


def test_share_of_zero_repeats_the_training_pairs_and_says_so():
    pairs = [Pair("a", "b")]
    made = split_pairs(pairs, by_source(pairs), Shares(0.0, 0.0), {}, "x")
    assert made.train == made.val == made.test == pairs
    assert made.dropped == {"val": {REPEATS: 1}, "test": {REPEATS: 1}}


@pytest.mark.parametrize(
    ("val", "test"), [(-0.1, 0.1), (1.0, 0.0), (0.1, 1.5), (0.5, 0.5), (float("nan"), 0.1)]
)
def test_impossible_shares_are_refused(val, test):
    with pytest.raises(ValueError, match=r"_fraction="):
        Shares(val, test)
