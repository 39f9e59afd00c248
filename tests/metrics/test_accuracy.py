import pytest

from seq2seq_lab.metrics.accuracy import by_length_quarter, exact_matches
from seq2seq_lab.metrics.table import METRICS


def exact_match(hypotheses, references):
    return METRICS["exact_match"].corpus(hypotheses, references).value


def test_exact_match_is_the_percentage_of_equal_texts():
    assert exact_match(["a", "b", "c", "d"], ["a", "B", "c", "d "]) == 50.0


def test_case_and_blanks_count():
    assert exact_matches(["Haus", "haus", "haus "], ["haus"] * 3) == [(0, 1), (1, 1), (0, 1)]


def test_quarters_go_from_short_to_long():
    sources = ["x" * n for n in (8, 1, 7, 2, 6, 3, 5, 4)]
    values = [float(len(s)) for s in sources]
    assert by_length_quarter(sources, values) == [1.5, 3.5, 5.5, 7.5]


def test_equal_lengths_are_divided_in_their_order():
    assert by_length_quarter(["ab", "cd", "ef", "gh"], [1.0, 2.0, 3.0, 4.0]) == [1.0, 2.0, 3.0, 4.0]


def test_quarters_of_seven_hold_one_two_two_two():
    assert by_length_quarter(["a"] * 7, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) == [0.0, 1.5, 3.5, 5.5]


def test_three_sources_make_three_bins():
    assert by_length_quarter(["ccc", "a", "bb"], [3.0, 1.0, 2.0]) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("function", [exact_match, by_length_quarter])
def test_nothing_to_score_is_refused(function):
    with pytest.raises(ValueError, match="at least one"):
        function([], [])


def test_different_lengths_are_refused():
    with pytest.raises(ValueError, match="2 hypotheses for 1 references"):
        exact_match(["a", "b"], ["a"])


def test_a_value_is_needed_for_each_source():
    with pytest.raises(ValueError, match="1 values for 2 sources"):
        by_length_quarter(["a", "b"], [1.0])
