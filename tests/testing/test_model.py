"""`check_model`: the doctor's verdicts as one assertion."""

import pytest

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.model.normalizer import Normalizer
from seq2seq_lab.testing import check_model


def test_a_model_of_ours_passes():
    check_model("model=rnn_attn", models=1, properties=("O5", "O9", "O10"))


def test_planted_normalizer_is_caught_and_the_properties_are_named(monkeypatch):
    monkeypatch.setattr(Normalizer, "__call__", lambda self, scores, mask: scores.softmax(dim=-1))
    with pytest.raises(
        AssertionError,
        match=r"2 of 3 properties broken(\n.*)*- O9, .*\n(.*\n)*.*doctor model=rnn_attn",
    ):
        check_model("model=rnn_attn", models=1, properties=("O5", "O9", "O12"))


def test_a_mistake_in_the_overrides_is_no_verdict():
    with pytest.raises(ConfigError, match="no_such"):
        check_model("model=no_such")
