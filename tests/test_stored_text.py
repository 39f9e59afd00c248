"""JSON and YAML that a run left on disk: whatever is wrong is one error with the place and the advice."""

import pytest

from seq2seq_lab.errors import CheckpointError, DataError
from seq2seq_lab.stored_text import DEEPEST, parse_json, read_json, read_json_lines, read_yaml

DEEP = "[" * 100_000
BOMB = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "null", "3", DEEP, '{"a": ' * 5000, '{"a": "\\ud800"}', "{'a': 1}"]
)
def test_json_that_is_no_object_is_one_error(tmp_path, text):
    path = tmp_path / "manifest.json"
    path.write_text(text)
    with pytest.raises(CheckpointError, match=r"manifest\.json: .*; do this$") as found:
        read_json(path, CheckpointError, "do this")
    assert "\n" not in str(found.value)


def test_bytes_that_are_no_text_and_a_file_that_is_not_there_are_one_error(tmp_path):
    (tmp_path / "a.json").write_bytes(b'{"a": "\xff"}')
    for name in ("a.json", "none.json"):
        for read in (read_json, read_yaml):
            with pytest.raises(CheckpointError, match=f"{name}: .*; do this$"):
                read(tmp_path / name, CheckpointError, "do this")


def test_values_are_read_as_they_are(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [1, {"b": null}], "c": "\\u4e2d"}')
    assert read_json(tmp_path / "a.json", DataError, "") == {"a": [1, {"b": None}], "c": "中"}
    depth = DEEPEST - 1
    assert parse_json("[" * depth + "]" * depth)


@pytest.mark.parametrize("row", ["{", "[]", '{"a": 1}', '{"b": "x"}', DEEP])
def test_a_broken_line_is_named_by_its_number(tmp_path, row):
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"a": "x"}}\n{row}\n')
    rows = read_json_lines(path, DataError, "do this", ("a",))
    assert next(rows) == {"a": "x"}
    with pytest.raises(DataError, match=r"rows\.jsonl:2: .*; do this$"):
        next(rows)


@pytest.mark.parametrize(
    "text", ["a: [", "- 1", "3", BOMB, "a: !!python/object:os.system x", DEEP[:3000], "\tx: 1"]
)
def test_yaml_of_something_else_is_one_error_in_little_time(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.yaml: ") as found:
        read_yaml(path, CheckpointError, "do this")
    assert "\n" not in str(found.value)
