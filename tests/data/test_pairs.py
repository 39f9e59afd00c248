"""Pairs of text of any size: what a list of pairs would be, in memory and in a file alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq_lab.data import pairs as module
from seq2seq_lab.data import spill
from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.pairs import Pairs, Texts, blocks, collect, select, sources_of, targets_of

TEXT = st.text(st.characters(exclude_characters="\n"), max_size=5)
LISTS = st.lists(st.builds(Pair, TEXT, TEXT), max_size=12)


def stored(pairs, limit):
    """The pairs with so many bytes in memory, three at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spill, "IN_MEMORY", limit)
        patch.setattr(module, "BLOCK", 3)
        return collect((pair.source, pair.target) for pair in pairs)


def is_like_the_list(pairs, made):
    """Law: `made` cannot be told from the list by length, index, slice, iteration or blocks."""
    assert (len(made), bool(made), list(made)) == (len(pairs), bool(pairs), pairs)
    assert made == pairs
    assert [made[i] for i in range(-len(pairs), len(pairs))] == [*pairs, *pairs]
    for cut in (slice(2), slice(1, None, 2), slice(None, None, -1), slice(-3, None)):
        assert list(made[cut]) == pairs[cut]
    assert list(sources_of(made)) == [pair.source for pair in pairs]
    assert list(targets_of(made)) == [pair.target for pair in pairs]
    assert list(blocks(made)) == list(blocks(pairs))


@settings(max_examples=60, deadline=None)
@given(LISTS, st.sampled_from([0, 20, 1 << 20]))
def test_stored_pairs_are_like_a_list(pairs, limit):
    is_like_the_list(pairs, stored(pairs, limit))


@settings(max_examples=60, deadline=None)
@given(LISTS, st.data())
def test_some_rows_of_some_rows_are_like_a_list(pairs, data):
    made = stored(pairs, 0)
    for _ in range(2):
        places = st.lists(st.integers(0, max(len(pairs) - 1, 0)), max_size=len(pairs))
        rows = np.array(data.draw(places), np.int64)
        pairs, made = select(pairs, rows), select(made, rows)
        is_like_the_list(pairs, made)


def test_planted_text_that_ignores_its_rows_is_caught(monkeypatch):
    monkeypatch.setattr(Pairs, "select", lambda self, rows: Pairs(self._sources, self._targets))
    pairs = [Pair(str(i), str(-i)) for i in range(9)]
    with pytest.raises(AssertionError):
        is_like_the_list(
            select(pairs, np.array([1, 8])), select(stored(pairs, 0), np.array([1, 8]))
        )


def test_far_rows_are_read_one_by_one():
    pairs = [Pair(f"s{i}", f"t{i}") for i in range(100)]
    rows = np.array([99, 0, 50])
    assert list(select(stored(pairs, 0), rows)) == [pairs[99], pairs[0], pairs[50]]


def test_an_index_outside_is_refused():
    with pytest.raises(IndexError):
        stored([Pair("a", "b")], 0)[1]


def test_a_line_end_in_a_sentence_is_refused():
    with pytest.raises(ValueError, match="line end"):
        Texts(["a\nb"])


def test_sides_of_different_size_are_refused():
    with pytest.raises(ValueError, match="2 sources, but 1 targets"):
        Pairs(Texts("ab"), Texts("c"))
