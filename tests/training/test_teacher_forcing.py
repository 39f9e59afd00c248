import pytest

from seq2seq_lab.training.teacher_forcing import Constant


@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0])
def test_a_constant_ratio_is_the_same_at_every_step(ratio):
    assert {Constant(ratio)(step) for step in (0, 1, 7, 10**9)} == {ratio}


def test_the_default_is_pure_teacher_forcing():
    assert Constant()(0) == 1.0


@pytest.mark.parametrize("ratio", [-0.1, 1.1])
def test_a_ratio_out_of_range_is_refused(ratio):
    with pytest.raises(ValueError, match=rf"ratio={ratio}: must be in \[0, 1\]"):
        Constant(ratio)
