import pytest

from seq2seq_lab.data.length_filter import LengthFilter

LIMIT = LengthFilter(max_source_tokens=3, max_target_tokens=2)


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        (1, 1, None),
        (3, 2, None),
        (4, 1, "source over 3 tokens"),
        (1, 3, "target over 2 tokens"),
        (4, 3, "source over 3 tokens"),
        (0, 1, "empty source"),
        (1, 0, "empty target"),
        (10**5, 1, "source over 3 tokens"),
    ],
)
def test_a_training_pair_is_dropped_for_one_stated_reason(source, target, reason):
    assert LIMIT.reason_to_drop([4] * source, [4] * target) == reason


def test_an_evaluation_keeps_the_beginning_of_both_sides():
    assert LIMIT.cut_source([4, 5, 6, 7]) == [4, 5, 6]
    assert LIMIT.cut_target([4, 5, 6, 7]) == [4, 5]


def test_what_fits_is_not_cut():
    assert LIMIT.cut_source([4, 5, 6]) == [4, 5, 6]


@pytest.mark.parametrize("name", ["max_source_tokens", "max_target_tokens"])
def test_a_limit_below_one_is_refused(name):
    with pytest.raises(ValueError, match=f"{name}=0: must be >= 1"):
        LengthFilter(**{name: 0})
