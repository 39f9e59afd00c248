"""Inflection tables: both orders of the columns, splits held out, rows that do not fit."""

import pytest

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.sigmorphon import Sigmorphon
from seq2seq_lab.errors import ConfigError, DataError

ROWS = [("walk", "walked", "V;PST"), ("walk", "walks", "V;3;SG;PRS"), ("ad hoc", "ad hocs", "N;PL")]
MANY = [(f"w{i}", f"w{i}s", "N;PL") for i in range(40)]


@pytest.fixture
def table(tmp_path):
    def write(name, rows, order=(0, 1, 2)):
        path = tmp_path / name
        path.write_text("".join("\t".join(row[i] for i in order) + "\n" for row in rows))
        return str(path)

    return write


@pytest.mark.parametrize(
    ("columns", "order"), [("lemma_form_features", (0, 1, 2)), ("lemma_features_form", (0, 2, 1))]
)
def test_three_files_in_either_order_of_the_columns(table, columns, order):
    files = {part: table(part, ROWS, order) for part in ("train", "val", "test")}
    corpus = Sigmorphon(**files, columns=columns)
    text = corpus.read()
    expected = [Pair(f"{lemma}\t{features}", form) for lemma, form, features in ROWS]
    assert text.train == text.val == text.test == expected
    assert text.dropped == {}
    assert [str(path) for path in corpus.paths()] == list(files.values())


def test_splits_without_a_file_are_held_out(table):
    text = Sigmorphon(table("train", MANY), test=table("test", ROWS), val_fraction=0.2).read()
    assert [len(text.train), len(text.val), len(text.test)] == [32, 8, 3]
    assert not set(text.train) & set(text.val)
    repeated = Sigmorphon(table("train", MANY), all_in_training=True).read()
    assert repeated.train == repeated.val == repeated.test


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("walk\twalked", "2 columns between tabs, expected lemma, form, features"),
        ("a\tb\tN\twalk|ed", "4 columns between tabs"),
        ("walk\t\tV;PST", "an empty column, expected lemma, form, features"),
        (
            "walk\tV;PST\twalked",
            "'V;PST' looks like features; write data.columns=lemma_features_form",
        ),
    ],
)
def test_a_row_that_does_not_fit_is_reported_with_its_place(table, tmp_path, line, message):
    path = table("train", MANY)
    (tmp_path / "train").write_text(f"{(tmp_path / 'train').read_text()}{line}\n")
    with pytest.raises(DataError, match=rf"train:41: .*{message}"):
        Sigmorphon(path).read()


def test_blank_lines_are_counted_and_an_empty_file_is_refused(table, tmp_path):
    path = table("train", MANY)
    (tmp_path / "train").write_text(f"\n{(tmp_path / 'train').read_text()}")
    assert Sigmorphon(path).read().dropped == {"train": {"blank line": 1}}
    with pytest.raises(DataError, match="no row in it"):
        Sigmorphon(path, val=table("val", [])).read()


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match=r"data\.train is not set"):
        Sigmorphon().read()
    with pytest.raises(ValueError, match=r"val_fraction=1\.5"):
        Sigmorphon("a", val_fraction=1.5)
