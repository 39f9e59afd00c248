"""A seeded slice of the search over command lines; `make faults` runs thousands."""

import pytest

from faults import override_search as search


@pytest.mark.skipif(not hasattr(search.os, "fork"), reason="needs fork")
def test_no_override_breaks_the_contract(tmp_path):
    search.warm()
    found = list(search.carry_out(search.generate(5, 20), tmp_path))
    assert len(found) == 20
    assert [(one.case, one.wrong, one.text[-600:]) for one in found if one.wrong] == []


def test_the_cases_are_a_function_of_the_seed():
    assert search.generate(3, 50) == search.generate(3, 50) != search.generate(4, 50)
    assert search.generate_edits(3, 50) == search.generate_edits(3, 50)


def test_planted_outcomes_are_caught():
    def wrong(code, text, outside=()):
        return search.Outcome((), code, tuple(text.split("\n")), text, outside, 0.0).wrong

    assert wrong(0, "") == []
    assert wrong(2, "error: x\n") == []
    assert wrong(2, "error: x\nerror: y\n") == ["2 error lines"]
    assert wrong(2, "") == ["0 error lines"]
    assert "bug" in wrong(1, "error: this is a bug of seq2seq-lab: x")
    assert "traceback" in wrong(2, "Traceback\nerror: x")
    assert wrong(0, "", ("evil",)) == ["files outside: ('evil',)"]
