"""Tatoeba pairs from a file of manythings.org."""

import os
from pathlib import Path

import pytest

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.tatoeba import Tatoeba
from seq2seq_lab.errors import ConfigError, DataError

DATA = Path(os.environ.get("SEQ2SEQ_LAB_DATA") or Path(__file__).parents[3] / "shared" / "data")


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "cmn.txt"
    rows = [f"Sentence {i // 2}.\t句子{i}。\tCC-BY #{i}\n" for i in range(60)]
    path.write_text("".join(rows), encoding="utf-8")
    return path


def test_its_path_is_the_file(table):
    assert Tatoeba(str(table)).paths() == [table]
    assert Tatoeba(None).paths() == []


def test_english_is_the_target_by_default(table):
    assert all(p.target.startswith("Sentence") for p in Tatoeba(str(table)).read().train)


def test_no_english_sentence_lies_in_two_splits(table):
    text = Tatoeba(str(table), val_fraction=0.2, test_fraction=0.2).read()
    sides = [{p.target for p in part} for part in (text.train, text.val, text.test)]
    assert [len(side) for side in sides] == [18, 6, 6]
    assert len(set.union(*sides)) == 30


def test_direction_does_not_change_the_splits(table):
    there, back = Tatoeba(str(table)).read(), Tatoeba(str(table), "en", "zh").read()
    assert there.test == [Pair(p.target, p.source) for p in back.test]


def test_repeated_pairs_are_read_once_and_counted(table):
    table.write_bytes(table.read_bytes() * 2)
    text = Tatoeba(str(table)).read()
    assert len(text.train) + len(text.val) + len(text.test) == 60
    assert text.dropped == {"train": {"repeated pair": 60}}


def test_old_files_without_attribution_are_read(tmp_path):
    (tmp_path / "cmn.txt").write_text("Hi.\t嗨。\nRun.\t跑。\nGo.\t走。\n", encoding="utf-8")
    text = Tatoeba(str(tmp_path / "cmn.txt"), all_in_training=True).read()
    assert text.train[0] == Pair("嗨。", "Hi.")


@pytest.mark.parametrize(("line", "count"), [("Only English", 1), ("a\tb\tc\td", 4)])
def test_wrong_number_of_columns_is_reported(table, line, count):
    table.write_text(table.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"cmn\.txt:61: {count} columns between tabs"):
        Tatoeba(str(table)).read()


def test_path_is_required_and_the_source_named():
    with pytest.raises(ConfigError, match=r"manythings\.org/anki.*data\.path=cmn\.txt"):
        Tatoeba(None).read()


def test_zip_as_downloaded_is_named(tmp_path):
    (tmp_path / "cmn-eng.zip").write_bytes(b"PK\x03\x04...")
    with pytest.raises(DataError, match="a zip archive"):
        Tatoeba(str(tmp_path / "cmn-eng.zip")).read()


@pytest.mark.parametrize(("source", "target"), [("zh", "fr"), ("en", "en")])
def test_exactly_one_side_is_english(source, target):
    with pytest.raises(ValueError, match="exactly one must be en"):
        Tatoeba("cmn.txt", source, target)


@pytest.mark.skipif(
    not (DATA / "tatoeba-cmn-eng").is_dir(), reason="no Tatoeba file; set SEQ2SEQ_LAB_DATA"
)
def test_the_real_file_is_split_without_overlap():
    text = Tatoeba(str(DATA / "tatoeba-cmn-eng" / "cmn.txt")).read()
    parts = (text.train, text.val, text.test)
    assert sum(map(len, parts)) == 24_893
    for side in ("source", "target"):
        sides = [{getattr(p, side) for p in part} for part in parts]
        assert sum(map(len, sides)) == len(set.union(*sides))
