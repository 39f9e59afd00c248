"""What `seq2seq_lab.testing` publishes, and what docs/testing.md says of it."""

import inspect
import re
from pathlib import Path

import seq2seq_lab.testing as published

DOCS = Path(__file__).parents[2] / "docs" / "testing.md"


def test_the_page_lists_every_check_with_its_arguments():
    rows = re.findall(r"^\| `(check_\w+)\((.*?)\)` \|", DOCS.read_text(encoding="utf-8"), re.M)
    assert [name for name, _ in rows] == sorted(published.__all__)
    for name, text in rows:
        arguments = inspect.signature(inspect.unwrap(getattr(published, name))).parameters
        shown = re.findall(r"\*{0,2}(\w+)(?:=[^,]*)?", re.sub(r"=\(\)", "", text))
        assert shown == list(arguments), name


def test_every_check_has_a_docstring_that_says_what_it_raises():
    for name in published.__all__:
        assert "Raise `AssertionError`" in inspect.getdoc(getattr(published, name)), name
