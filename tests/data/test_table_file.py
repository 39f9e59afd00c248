"""Tables of one's own: TSV, CSV, JSON lines; columns; tiny tables; refusals with file:line."""

import csv
import gzip
import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.table_file import TableFile
from seq2seq_lab.errors import ConfigError, DataError

FIVE = [
    ("我爱你。", "I love you."),
    ("他来了。", "He came."),
    ("你好！", "Hello!"),
    ("再见。", "Bye."),
    ("谢谢。", "Thanks."),
]
FIVE_PAIRS = [Pair(*row) for row in FIVE]
FIVE_TSV = "".join(f"{s}\t{t}\n" for s, t in FIVE)


@pytest.fixture
def read(tmp_path):
    def call(content, name="pairs.tsv", **settings):
        content = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(content)
        settings = {
            "source_language": "zh",
            "target_language": "en",
            "all_in_training": True,
        } | settings
        return TableFile(str(tmp_path / name), **settings).read()

    return call


def test_its_path_is_the_file():
    assert TableFile("pairs.tsv", "zh", "en").paths() == [Path("pairs.tsv")]
    assert TableFile(None, "zh", "en").paths() == []


def test_five_pairs_without_header_are_all_for_training(read):
    text = read(FIVE_TSV)
    assert text.train == text.val == text.test == FIVE_PAIRS


def test_five_pairs_split_by_default_into_three_one_one(read):
    text = read(FIVE_TSV, all_in_training=False)
    assert [len(text.train), len(text.val), len(text.test)] == [3, 1, 1]
    assert {*text.train, *text.val, *text.test} == set(FIVE_PAIRS)


def test_fractions_of_zero_hold_nothing_out(read):
    text = read(FIVE_TSV, all_in_training=False, val_fraction=0.0, test_fraction=0.0)
    assert text.train == text.val == text.test == FIVE_PAIRS


def test_six_antonyms_in_csv_with_header(read):
    rows = [
        ("hot", "cold"),
        ("big", "small"),
        ("up", "down"),
        ("in", "out"),
        ("wet", "dry"),
        ("old", "new"),
    ]
    content = "word,antonym\n" + "".join(f"{a},{b}\n" for a, b in rows)
    text = read(content, "a.csv", source_column="word", target_column="antonym")
    assert text.train == [Pair(*row) for row in rows]


JSON = "".join(json.dumps({"zh": s, "en": t, "n": 1}, ensure_ascii=False) + "\n" for s, t in FIVE)


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.jsonl.gz", "A.JSONL"])
def test_json_lines_go_by_key(read, name):
    content = gzip.compress(JSON.encode()) if name.endswith(".gz") else JSON
    assert read(content, name, source_column="zh", target_column="en").train == FIVE_PAIRS


def test_a_dotted_column_is_a_field_of_an_object_inside(read):
    rows = [{"id": 1, "translation": {"zh": s, "en": t, "more": {"a.b": t}}} for s, t in FIVE]
    content = "".join(json.dumps(row) + "\n" for row in rows)
    for target in ("translation.en", "translation.more.a.b"):
        columns = {"source_column": "translation.zh", "target_column": target}
        assert read(content, "a.jsonl", **columns).train == FIVE_PAIRS


def test_a_key_with_the_dot_in_it_wins_over_a_field(read):
    row = {"t.zh": "key", "t": {"zh": "field", "en": "b", "en.us": "c"}, "t.en": {"us": "d"}}
    columns = {"source_column": "t.zh", "target_column": "t.en.us"}
    assert read(json.dumps(row) + "\n", "a.jsonl", **columns).train == [Pair("key", "d")]


@pytest.mark.parametrize("name", ["a.tsv.gz", "a.tab", "a.TSV"])
def test_suffix_names_the_format(read, name):
    content = FIVE_TSV.encode()
    assert (
        read(gzip.compress(content) if name.endswith("gz") else content, name).train == FIVE_PAIRS
    )


def test_columns_are_counted_from_one(read):
    assert read("0\ta\tb\n", source_column=3, target_column=2).train == [Pair("b", "a")]


def test_name_and_number_may_be_mixed(read):
    assert read("en\tzh\nHi\t嗨\n", source_column="zh", target_column=1).train == [Pair("嗨", "Hi")]


def test_tabs_know_no_quotes(read):
    assert read('"a\tb"\n').train == [Pair('"a', 'b"')]


def test_commas_know_quotes(read):
    assert read('"a, ""b""",c\n', "a.csv").train == [Pair('a, "b"', "c")]


def test_line_end_in_a_cell_becomes_a_space(read):
    assert read('"a\r\nb",c\r\n', "a.csv").train == [Pair("a b", "c")]
    row = '{"s": "a\\nb", "t": "c"}\n'
    assert read(row, "a.jsonl", source_column="s", target_column="t").train == [Pair("a b", "c")]


def test_windows_file_with_mark_and_header(read):
    content = b"\xef\xbb\xbfzh,en\r\n\xe5\x97\xa8,Hi\r\n"
    assert read(content, "a.csv", source_column="zh", target_column="en").train == [
        Pair("嗨", "Hi")
    ]


def test_cell_of_a_megabyte_is_read_and_the_limit_restored(read):
    before = csv.field_size_limit()
    assert len(read("x" * (1 << 20) + ",b\n", "a.csv").train[0].source) == 1 << 20
    assert csv.field_size_limit() == before


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_what_is_left_out_is_counted(read, name):
    mark = "\t" if name == "a.tsv" else ","
    text = read(f"a{mark}b\n\nc{mark} \n{mark}\n {mark}d\n\n", name)
    assert text.train == [Pair("a", "b")]
    assert text.dropped["train"] == {"blank line": 3, "empty source": 1, "empty target": 1}


NAMED = {"source_column": "zh", "target_column": "en"}
# fmt: off
# case: (name, content, settings, message after "NAME:" if it starts with a line number or a blank)
BAD_TABLES = {
    "ragged, short": ("a.tsv", 'a\tb\nc\n', {}, '2: 1 columns between tabs, but line 1 has 2'),
    "ragged, long": ("a.tsv", 'a\tb\n\nc\td\te\n', {}, '3: 3 columns between tabs, but line 1 has 2'),
    "ragged csv": ("a.csv", 'a,"b\nb"\nc,d,e\n', {}, '3: 3 columns between commas, but line 1 has 2'),
    "open quote": ("a.csv", 'a,b\nc,"d\ne,f\n', {}, '2: not CSV: unexpected end of data'),
    "letters after a quote": ("a.csv", 'a,b\n"c"x,d\n', {}, '2: not CSV: \',\' expected after \'"\''),
    "no such number": ("a.tsv", 'a\tb\n', {"target_column": 3}, '1: there is no column 3, only 1 to 2'),
    "no such name": ("a.csv", 'cn,en\na,b\n', NAMED, "1: no column named 'zh'; the header has 'cn', 'en'"),
    "name twice": ("a.csv", 'zh,zh,en\na,b,c\n', NAMED, "1: several columns named 'zh'"),
    "one column twice": ("a.csv", 'zh,en\na,b\n', {"source_column": "en"}, '1: columns en and 2 are the same one'),
    "tabs in csv": ("a.csv", 'a\tb\n', {}, 'only 1 to 1; the line has tabs: rename it to .tsv'),
    "commas in tsv": ("a.tsv", 'a,b\n', {}, 'only 1 to 1; the line has commas: rename it to .csv'),
    "semicolons": ("a.csv", 'a;b\n', {}, 'only 1 to 1; the line has semicolons; save it with commas'),
    "blanks for tabs": ("a.tsv", 'a  b\n', {}, 'only 1 to 1; put one tab between source and target'),
    "empty": ("a.tsv", '', {}, ' empty, there is no row in it'),
    "only blanks": ("a.csv", '\n \n', {}, ' empty, there is no row in it'),
    "header only": ("a.csv", 'zh,en\n', NAMED, ' no pair with text on both sides in 0 rows'),
    "only empty cells": ("a.tsv", 'a\t\n\tb\n', {}, ' no pair with text on both sides in 2 rows'),
    "unknown suffix": ("a.txt", 'a\tb\n', {}, ' which format is this? Give it a suffix of .tsv'),
    "spreadsheet": ("a.xlsx", 'PK', {}, ' which format is this?'),
    "not UTF-8": ("a.tsv", b'a\tb\nc\t\xe9\n', {}, '2:3: not UTF-8'),
    "json, broken": ("a.jsonl", '{"zh": "a", "en": "b"}\n{"zh": \n', NAMED, '2:8: not JSON: Expecting value'),
    "json, a list": ("a.jsonl", '["a", "b"]\n', NAMED, '1: expected an object such as'),
    "json, no key": ("a.jsonl", '{"en": "b"}\n', NAMED, "1: no key 'zh'; the keys are 'en'"),
    "json, a number": ("a.jsonl", '{"zh": 1, "en": "b"}\n', NAMED, "1: 'zh' must be a string, got 1"),
    "json, null": ("a.jsonl", '{"zh": null, "en": "b"}\n', NAMED, "1: 'zh' must be a string, got null"),
    "json, key twice": ("a.jsonl", '{"zh": "a", "zh": "b"}\n', NAMED, '1: not JSON of one object per line: a key'),
    "json by number": ("a.jsonl", '{"zh": "a"}\n', {}, "JSON has no column 1, only keys: 'zh'; set data.source_column"),
    "json, half a pair": ("a.jsonl", '{"zh": "\\ud800", "en": "b"}\n', NAMED, "1: 'zh' holds \\u0000 or half"),
    "json, NUL": ("a.jsonl", '{"zh": "\\u0000", "en": "b"}\n', NAMED, "1: 'zh' holds \\u0000 or half"),
    "json, no field": (
        "a.jsonl", '{"id": 1, "pair": {"zh": "a", "en": "b"}}\n',
        {"source_column": "pair.zh", "target_column": "pair.eng"},
        "1: no key 'pair.eng'; the keys are 'id', 'pair.zh', 'pair.en'; did you mean 'pair.en'?",
    ),
    "json, an object": (
        "a.jsonl", '{"t": {"zh": "a", "en": "b"}}\n', {"source_column": "t", "target_column": "t.en"},
        "1: 't' is an object; name one of its fields: t.zh, t.en",
    ),
    "json, field of a text": (
        "a.jsonl", '{"zh": "a", "en": "b"}\n', {"source_column": "zh.x", "target_column": "en"}, "1: no key 'zh.x'",
    ),
    "json, very deep": ("a.jsonl", "[" * 100_000, NAMED, '1: not JSON of one object per line'),
    "json, many lines": ("a.jsonl", '{\n"zh": "a", "en": "b"\n}\n', NAMED, '1:2: not JSON'),
}
# fmt: on


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_tables_are_refused_with_their_place(read, case):
    name, content, settings, message = BAD_TABLES[case]
    message = f"{name}:{message}" if message[0] in "123 " else message
    with pytest.raises(DataError, match=re.escape(message)):
        read(content, name, **settings)


@pytest.mark.parametrize("rows", [1, 2])
def test_too_few_pairs_to_split_are_refused_with_the_way_out(read, rows):
    with pytest.raises(DataError, match=f"{rows} pairs, .*debug=overfit"):
        read("".join(FIVE_TSV.splitlines(keepends=True)[:rows]), all_in_training=False)


def test_path_is_required():
    with pytest.raises(ConfigError, match=r"data\.path=FILE"):
        TableFile(None, "zh", "en").read()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source_column": 0}, "source_column=0: columns are counted from 1"),
        ({"source_column": 2}, "source_column=2, target_column=2: must differ"),
        ({"val_fraction": 1.0}, "val_fraction=1.0: must be >= 0 and < 1"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        TableFile("a.tsv", "zh", "en", **settings)


CELL = st.text(
    st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1, max_size=9
)
CELL = CELL.filter(lambda cell: cell.strip() and "\ufeff" not in cell)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.tuples(CELL, CELL), min_size=1, max_size=5))
def test_written_tables_are_read_back(tmp_path, rows):
    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    lines = [json.dumps({"s": s, "t": t}) + "\n" for s, t in rows]
    (tmp_path / "a.jsonl").write_text("".join(lines), encoding="utf-8")
    table = TableFile(str(tmp_path / "a.csv"), "en", "de", all_in_training=True)
    objects = TableFile(str(tmp_path / "a.jsonl"), "en", "de", "s", "t", all_in_training=True)
    assert table.read().train == objects.read().train == [Pair(*row) for row in rows]
