import hashlib

import pytest

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.report import fingerprint, overlap, quantiles, side_report
from seq2seq_lab.special_tokens import UNK

PAIRS = [Pair("ein Haus", "a house"), Pair("ein Baum", "a tree")]


def test_fingerprint_is_the_hash_of_the_lines():
    expected = hashlib.sha256(b"ein Haus\na house\nein Baum\na tree\n").hexdigest()
    assert fingerprint(PAIRS) == expected


def test_fingerprint_depends_on_the_order():
    assert fingerprint(PAIRS) != fingerprint(PAIRS[::-1])


def test_fingerprint_of_text_with_a_lone_surrogate_exists():
    assert len(fingerprint([Pair("\ud800", "x")])) == 64


def test_quantiles_of_one_to_a_hundred_and_one():
    found = quantiles(list(range(101, 0, -1)))
    assert found == {
        "min": 1,
        "q25": 26,
        "median": 51,
        "q75": 76,
        "q95": 96,
        "q99": 100,
        "max": 101,
    }


def test_quantiles_of_nothing_are_nothing():
    assert quantiles([]) == {}


def test_unknown_rate_is_per_token_and_not_per_sentence():
    found = side_report([[4, UNK], [5, 6, 7, 8, 9, UNK]])
    assert (found["tokens"], found["unknown_rate"]) == (8, 0.25)


def test_a_side_without_tokens_has_no_unknown_ones():
    assert side_report([[], []])["unknown_rate"] == 0.0


@pytest.mark.parametrize(
    ("other", "pairs", "sources"),
    [
        ([], 0, 0),
        ([Pair("ein Tier", "an animal")], 0, 0),
        ([Pair("ein Haus", "a house")], 1, 1),
        ([Pair("ein Haus", "one house"), Pair("ein Baum", "a tree")], 1, 2),
    ],
)
def test_overlap_counts_pairs_and_sources_seen_in_training(other, pairs, sources):
    assert overlap(PAIRS, other) == {"pairs_in_train": pairs, "sources_in_train": sources}
