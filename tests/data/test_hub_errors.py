"""Errors of the hub's libraries: which are of the network, and which keep their own line."""

import pytest

from seq2seq_lab.data.hub_errors import as_errors, is_connection_problem
from seq2seq_lab.errors import ConfigError, DataError


def test_the_cause_of_an_error_tells_whether_it_is_the_network():
    error = DataError("x")
    assert not is_connection_problem(error)
    error.__cause__ = ConnectionRefusedError()
    assert is_connection_problem(error)


def test_an_error_of_a_library_becomes_one_line_and_ours_stays():
    says = r"^a/b: no usable data set \(ValueError: first\)$"
    with pytest.raises(DataError, match=says), as_errors("a/b", DataError, "data set"):
        raise ValueError("first\nsecond")
    with pytest.raises(ConfigError, match="ours"), as_errors("a/b", DataError, "data set"):
        raise ConfigError("ours")
    with pytest.raises(DataError, match="cannot be reached"), as_errors("a", DataError, "model"):
        raise ConnectionResetError("gone")
