import pytest

from seq2seq_lab.decoding import length_penalty
from seq2seq_lab.decoding.length_penalty import AveragePenalty, GnmtPenalty, NoPenalty, PowerPenalty
from support.tiny_models import class_of, nodes

EVERY = [NoPenalty(), GnmtPenalty(0.6), PowerPenalty(0.5), AveragePenalty()]


def test_classes_and_yaml_files_are_the_same_set():
    named = {class_of(node) for node in nodes("../decoding/length_penalty").values()}
    found = {c for n, c in vars(length_penalty).items() if n.endswith("Penalty")}
    assert named == found != set()


@pytest.mark.parametrize(
    ("penalty", "length", "expected"),
    [
        (NoPenalty(), 7, 1.0),
        (GnmtPenalty(1.0), 1, 1.0),
        (GnmtPenalty(2.0), 7, 4.0),
        (PowerPenalty(0.5), 9, 3.0),
        (PowerPenalty(0.0), 9, 1.0),
        (AveragePenalty(), 9, 9.0),
    ],
)
def test_the_divisor_is_the_closed_form(penalty, length, expected):
    assert penalty.divisor(length) == pytest.approx(expected)


@pytest.mark.parametrize("penalty", EVERY, ids=lambda p: type(p).__name__)
def test_the_divisor_never_falls_with_the_length(penalty):
    values = [penalty.divisor(n) for n in range(1, 100)]
    assert values == sorted(values)
    assert values[0] > 0


@pytest.mark.parametrize("kind", [GnmtPenalty, PowerPenalty])
def test_a_negative_alpha_is_refused(kind):
    with pytest.raises(ValueError, match=r"alpha=-0.1: must be >= 0"):
        kind(-0.1)
