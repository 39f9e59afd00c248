import pytest

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.metrics import scores
from seq2seq_lab.metrics.accuracy import exact_matches, length_quarters
from seq2seq_lab.metrics.scores import score
from seq2seq_lab.metrics.table import METRICS


def exact_match(hypotheses, references):
    return METRICS["exact_match"].corpus(hypotheses, references).value


def test_exact_match_is_the_percentage_of_equal_texts():
    assert exact_match(["a", "b", "c", "d"], ["a", "B", "c", "d "]) == 50.0


def test_case_and_blanks_count():
    assert exact_matches(["Haus", "haus", "haus "], ["haus"] * 3) == [(0, 1), (1, 1), (0, 1)]


def lengths(texts):
    return [[len(texts[i]) for i in part] for part in length_quarters(texts)]


def test_quarters_go_from_short_to_long():
    sources = ["x" * n for n in (8, 1, 7, 2, 6, 3, 5, 4)]
    assert lengths(sources) == [[1, 2], [3, 4], [5, 6], [7, 8]]


def test_equal_lengths_are_divided_in_their_order():
    assert length_quarters(["ab", "cd", "ef", "gh"]) == [[0], [1], [2], [3]]


def test_quarters_of_seven_hold_one_two_two_two():
    assert length_quarters(["a"] * 7) == [[0], [1, 2], [3, 4], [5, 6]]


def test_three_sources_make_three_bins():
    assert length_quarters(["ccc", "a", "bb"]) == [[1], [2], [0]]


def quarters_are_those_of_both_sides(texts):
    """Score pairs whose sides are long in another order; return the means of the quarters of both."""
    pairs = [Pair("s" * (1 + i), "t" * (8 - i)) for i in range(8)]
    found = score(pairs, texts, "en").numbers
    right = [100.0 * (h == p.target) for h, p in zip(texts, pairs, strict=True)]
    for key, order in (("length", right), ("target_length", right[::-1])):
        for i in range(4):
            expected = sum(order[2 * i : 2 * i + 2]) / 2
            assert found[f"exact_match_{key}_q{i + 1}"] == expected, key


def test_exact_match_is_divided_by_the_length_of_both_sides():
    quarters_are_those_of_both_sides(["t" * 8, "x", "t" * 6, "x", "x", "x", "t" * 2, "t"])


def test_planted_quarters_of_the_source_for_both_sides_are_caught(monkeypatch):
    monkeypatch.setattr(scores, "length_quarters", lambda texts: length_quarters("a" * len(texts)))
    with pytest.raises(AssertionError):
        test_exact_match_is_divided_by_the_length_of_both_sides()


def test_nothing_to_score_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        exact_match([], [])


def test_different_lengths_are_refused():
    with pytest.raises(ValueError, match="2 hypotheses for 1 references"):
        exact_match(["a", "b"], ["a"])
