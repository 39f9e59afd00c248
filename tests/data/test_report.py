import hashlib

import numpy as np
import pytest
import torch

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.report import fingerprint, overlap, quantiles, side_report

PAIRS = [Pair("ein Haus", "a house"), Pair("ein Baum", "a tree")]


def test_fingerprint_is_the_hash_of_the_lines():
    expected = hashlib.sha256(b"ein Haus\na house\nein Baum\na tree\n").hexdigest()
    assert fingerprint(PAIRS) == expected


def test_fingerprint_depends_on_the_order():
    assert fingerprint(PAIRS) != fingerprint(PAIRS[::-1])


def test_fingerprint_of_text_with_a_lone_surrogate_exists():
    assert len(fingerprint([Pair("\ud800", "x")])) == 64


def test_quantiles_of_one_to_a_hundred_and_one():
    found = quantiles(np.arange(101, 0, -1, np.int32))
    assert found == {
        "min": 1,
        "q25": 26,
        "median": 51,
        "q75": 76,
        "q95": 96,
        "q99": 100,
        "max": 101,
    }


@pytest.mark.parametrize("count", [1, 2, 5, 1000])
def test_quantiles_are_those_of_torch_to_the_bit(count):
    lengths = np.random.default_rng(count).geometric(0.1, count).astype(np.int32)
    found = quantiles(lengths)
    points = (0.0, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
    expected = [float(torch.quantile(torch.tensor(lengths, dtype=torch.double), q)) for q in points]
    assert list(found.values()) == expected


def test_quantiles_of_nothing_are_nothing():
    assert quantiles(np.zeros(0, np.int32)) == {}


def test_unknown_rate_is_per_token_and_not_per_sentence():
    found = side_report(np.array([2, 6], np.int32), 2)
    assert (found["tokens"], found["unknown_rate"]) == (8, 0.25)


def test_a_side_without_tokens_has_no_unknown_ones():
    assert side_report(np.zeros(2, np.int32), 0)["unknown_rate"] == 0.0


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
