"""Header or pair: what looks like names is refused with what to write, what is a pair is read."""

import re

import pytest

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.table_file import HEADER, TableFile
from seq2seq_lab.data.table_header import is_running, names_not_texts
from seq2seq_lab.errors import DataError

BODY = [("hello", "你好"), ("bye", "再见"), ("thanks", "谢谢")]


def table(tmp_path, first, rows=BODY, mark=",", **columns):
    text = "".join(f"{mark.join(map(str, row))}\n" for row in [first, *rows])
    path = tmp_path / ("a.csv" if mark == "," else "a.tsv")
    path.write_text(text, encoding="utf-8")
    settings = {"source_language": "und", "target_language": "und", **columns}
    return TableFile(str(path), all_in_training=True, **settings)


HEADERS = [
    ("source", "target"), ("src", "tgt"), ("en", "zh"), ("english", "chinese"), ("English", "Chinese"),
    ("English sentence", "Chinese translation"), ("text_en", "text_zh"), ("id", "text"), ("en-US", "zh_CN"),
    (" EN ", "ZH"), ("英文", "中文"), ("sentence1", "sentence2"), ("input", "output"), ("eng", "cmn"),
]  # fmt: skip


@pytest.mark.parametrize("first", HEADERS)
@pytest.mark.parametrize("mark", [",", "\t"])
def test_a_first_row_of_names_is_refused_with_what_to_write(tmp_path, first, mark):
    with pytest.raises(DataError) as found:
        table(tmp_path, first, mark=mark).read()
    text = str(found.value)
    assert ":1: the first row looks like a header: 1 " in text
    assert repr(first[0]) in text
    assert "data.source_column=1 data.target_column=2 if they are texts" in text


def test_a_declared_code_is_a_name_though_it_is_a_word(tmp_path):
    languages = {"source_language": "no", "target_language": "is"}
    with pytest.raises(DataError, match="looks like a header"):
        table(tmp_path, ("no", "is"), **languages).read()
    assert table(tmp_path, ("no", "is")).read().train[0] == Pair("no", "is")


PAIRS = [
    ("hello", "你好"), ("no", "nein"), ("hi", "嗨"), ("I am English.", "我是英国人。"), ("in", "out"), ("hot", "cold"),
    ("source", "Quelltext"), ("text", "text"), ("to", "am"), ("1", "one"), ("English", "she speaks it"), ("a", "b"),
]  # fmt: skip


@pytest.mark.parametrize("first", PAIRS)
def test_a_first_row_of_texts_is_a_pair(tmp_path, first):
    assert table(tmp_path, first).read().train == [Pair(*row) for row in [first, *BODY]]


def test_numbers_and_their_words_are_pairs(tmp_path):
    rows = [(2, "two"), (3, "three"), (4, "four")]
    assert len(table(tmp_path, (1, "one"), rows).read().train) == 4


def test_a_name_above_a_running_number_is_a_header(tmp_path):
    rows = [(0, "two"), (1, "three"), (2, "four")]
    with pytest.raises(DataError, match="looks like a header: 1 'nummer', 2 'zahl'"):
        table(tmp_path, ("nummer", "zahl"), rows).read()


@pytest.mark.parametrize("first", [("id", "english", "chinese"), (1, "hello", "你好")])
def test_more_than_two_columns_are_a_question(tmp_path, first):
    rows = [(i, *pair) for i, pair in enumerate(BODY, start=2)]
    with pytest.raises(DataError) as found:
        table(tmp_path, first, rows).read()
    assert ":1: 3 columns, which of them are source and target?" in str(found.value)
    assert f"1 '{first[0]}', 2 '{first[1]}', 3 '{first[2]}'" in str(found.value)
    assert "data.source_column=1 data.target_column=2" in str(found.value)


@pytest.mark.parametrize("columns", [{"target_column": 3}, {"source_column": "english"}])
def test_one_column_alone_does_not_answer_it(tmp_path, columns):
    rows = [(i, *pair) for i, pair in enumerate(BODY)]
    with pytest.raises(DataError, match="3 columns"):
        table(tmp_path, ("id", "english", "chinese"), rows, **columns).read()


def test_numbers_that_were_given_are_obeyed_and_a_header_among_the_pairs_is_counted(tmp_path):
    given = {"source_column": 1, "target_column": 2}
    text = table(tmp_path, ("en", "zh"), **given).read()
    assert text.train == [Pair(*row) for row in [("en", "zh"), *BODY]]
    assert text.dropped["train"] == {HEADER: 1}
    assert table(tmp_path, ("good day", "日安"), **given).read().dropped.get("train", {}) == {}


def test_names_are_obeyed(tmp_path):
    given = {"source_column": "en", "target_column": "zh"}
    assert table(tmp_path, ("en", "zh"), **given).read().train == [Pair(*row) for row in BODY]


NEAR = {
    "case": ("EN", "zh", "no column named 'EN'; the header has 'en', 'zh'; did you mean 'en'?"),
    "spelling": ("enn", "zh", "did you mean 'en'?"),
    "nothing near": (
        "klingon",
        "zh",
        "the header has 'en', 'zh'; columns without a header go by number",
    ),
}


@pytest.mark.parametrize("case", NEAR)
def test_a_missing_name_gets_the_nearest(tmp_path, case):
    source, target, says = NEAR[case]
    with pytest.raises(DataError, match=re.escape(says)):
        table(tmp_path, ("en", "zh"), source_column=source, target_column=target).read()


def test_a_name_that_is_there_twice_is_told_with_its_places(tmp_path):
    rows = [("a", "b", "c")]
    given = {"source_column": "en", "target_column": "zh"}
    with pytest.raises(
        DataError, match=re.escape("several columns named 'en' (1 and 2); the header has")
    ):
        table(tmp_path, ("en", "en", "zh"), rows, **given).read()


def test_names_with_blanks_are_quoted_for_the_command_line(tmp_path):
    with pytest.raises(DataError, match=re.escape("data.source_column=\"'English text'\"")):
        table(tmp_path, ("English text", "Chinese text")).read()


def test_json_keys_get_the_nearest_too(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"en": "a", "zh": "b"}\n')
    corpus = TableFile(str(tmp_path / "a.jsonl"), "en", "zh", "En", "zh", all_in_training=True)
    with pytest.raises(
        DataError, match=re.escape("no key 'En'; the keys are 'en', 'zh'; did you mean 'en'?")
    ):
        corpus.read()


def test_running_numbers():
    assert is_running(["7", "8", "9"])
    assert not is_running(["7", "8"])
    assert not is_running(["7", "9", "11"])
    assert not is_running(["1", "2", "9" * 5000])
    assert names_not_texts([["en", "zh"]], ("und", "und"))
