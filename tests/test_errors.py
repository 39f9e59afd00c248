"""The error contract: one line for one mistake, a line for each of several."""

import pickle

from seq2seq_lab.errors import ConfigError, UnsafeError, report


def test_several_problems_stand_on_a_line_each(capsys):
    error = ConfigError("2 problems: a: x; b: y", ["a: x", "b: y"])
    assert report(error) == 2
    assert capsys.readouterr().err == "error: 2 problems:\n  a: x\n  b: y\n"
    assert str(error) == "2 problems: a: x; b: y"  # for ledgers, logs and the summary of a sweep


def test_one_problem_stays_one_line(capsys):
    assert report(UnsafeError("a: x", ["a: x"])) == 7
    assert capsys.readouterr().err == "error: a: x\n"


def test_a_problem_cannot_begin_a_line_or_steer_the_terminal(capsys):
    report(ConfigError("", ["a\nerror: b", "c\r\x1b[2J\u2028d"]))
    lines = ["error: 2 problems:", "  a error: b", "  c\\r\\x1b[2J\\u2028d"]
    assert capsys.readouterr().err.split("\n") == [*lines, ""]


def test_problems_travel_between_processes():
    error = pickle.loads(pickle.dumps(ConfigError("2 problems: a; b", ("a", "b"))))
    assert (str(error), error.problems) == ("2 problems: a; b", ("a", "b"))
