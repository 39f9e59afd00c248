"""Columns of a table that are features: TSV, CSV and JSON lines, one column or several."""

import pytest

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.feature_columns import WITH_TAB
from seq2seq_lab.data.table_file import TableFile
from seq2seq_lab.errors import DataError

NAMED = {"source_column": "lemma", "target_column": "form"}
EXPECTED = [Pair("walk\tV;PST", "walked"), Pair("dog", "dog"), Pair("ox\tN;PL", "oxen")]


@pytest.fixture
def read(tmp_path):
    def call(content, name="a.tsv", **settings):
        (tmp_path / name).write_text(content)
        return TableFile(str(tmp_path / name), "en", "en", **settings, all_in_training=True).read()

    return call


def test_a_column_by_number(read):
    rows = "walk\twalked\tV;PST\ndog\tdog\t\nox\toxen\tN;PL\n"
    numbers = {"source_column": 1, "target_column": 2}
    assert read(rows, **numbers, feature_column=3).train == EXPECTED


def test_columns_by_name_in_their_own_order(read):
    rows = "tense,lemma,form,word\nPST,walk,walked,V\n,dog,dog,\nPL,ox,oxen,N\n"
    assert read(rows, "a.csv", **NAMED, feature_column=["word", "tense"]).train == EXPECTED


def test_json_fields(read):
    rows = "".join(
        f'{{"lemma": "{lemma}", "form": "{form}", "tags": {{"all": "{tags}"}}}}\n'
        for lemma, form, tags in (
            ("walk", "walked", "V;PST"),
            ("dog", "dog", ""),
            ("ox", "oxen", "N;PL"),
        )
    )
    assert read(rows, "a.jsonl", **NAMED, feature_column="tags.all").train == EXPECTED


def test_a_tab_inside_a_source_with_features_becomes_a_space_and_is_counted(read):
    text = read('lemma,form,tag\n"a\tb",c,V\nd,e,N\n', "a.csv", **NAMED, feature_column="tag")
    assert text.train == [Pair("a b\tV", "c"), Pair("d\tN", "e")]
    assert text.dropped["train"] == {WITH_TAB: 1}
    assert read('lemma,form\n"a\tb",c\n', "a.csv", **NAMED).train == [Pair("a\tb", "c")]


def test_a_column_that_is_not_there_or_named_twice_is_refused(read):
    with pytest.raises(DataError, match=r"a\.tsv:1: no column named 'tag'"):
        read("lemma\tform\na\tb\n", **NAMED, feature_column="tag")
    with pytest.raises(ValueError, match="a column is named twice"):
        read("", **NAMED, feature_column="form")
    with pytest.raises(ValueError, match=r"feature_column=\[\]"):
        read("", **NAMED, feature_column=[])
    with pytest.raises(ValueError, match="feature_column=0: columns are counted from 1"):
        read("", **NAMED, feature_column=0)
    with pytest.raises(DataError, match="columns lemma and 1 are the same one"):
        read("lemma\tform\na\tb\n", **NAMED, feature_column=1)
