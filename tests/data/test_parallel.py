"""Line i belongs to line i, or the reader says where the files part."""

import re

import pytest

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.pairs import Texts, collect
from seq2seq_lab.data.parallel import check_languages, drop_empty, first_broken_line, read_parallel
from seq2seq_lab.errors import DataError


def write(path, lines):
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return path


LENGTHS = [5, 61, 17, 3, 42, 89, 7, 29, 71, 11, 53, 2]
SOURCE = ["x" * n for n in LENGTHS]
TARGET = ["y" * 2 * n for n in LENGTHS]


def test_pairs_are_lines_of_the_same_number(tmp_path):
    paths = write(tmp_path / "a", ["1", "", "3"]), write(tmp_path / "b", ["one", "two", ""])
    assert read_parallel(*paths)[0] == [Pair("1", "one"), Pair("", "two"), Pair("3", "")]


def test_cuts_of_both_files_are_added(tmp_path):
    (tmp_path / "a").write_bytes(b"1\r\n2\r\n")
    (tmp_path / "b").write_bytes(b"one\r\ntwo\n")
    found = read_parallel(tmp_path / "a", tmp_path / "b")[1]
    assert found == {"carriage return at line end cut, kept": 3}


@pytest.mark.parametrize("missing", range(len(LENGTHS)))
def test_missing_line_is_located(missing):
    assert first_broken_line(SOURCE, TARGET[:missing] + TARGET[missing + 1 :]) == missing + 1


def test_surplus_lines_are_located_on_either_side():
    surplus = [*SOURCE[:4], "x" * 97, "x", *SOURCE[4:]]
    assert first_broken_line(surplus, TARGET) == 5
    assert first_broken_line(TARGET, surplus) == 5


def test_planted_zip_to_the_shorter_file_is_caught(tmp_path, monkeypatch):
    none = lambda items: 0 if isinstance(items, Texts) else len(items)  # noqa: E731
    monkeypatch.setattr("seq2seq_lab.data.parallel.len", none, raising=False)
    shorter = lambda *texts: collect(zip(*texts, strict=False))  # noqa: E731
    monkeypatch.setattr("seq2seq_lab.data.parallel.Pairs", shorter)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        test_different_numbers_of_lines_are_refused(tmp_path)


def test_different_numbers_of_lines_are_refused(tmp_path):
    paths = write(tmp_path / "a", SOURCE), write(tmp_path / "b", TARGET[:6] + TARGET[7:])
    with pytest.raises(
        DataError,
        match=re.escape(
            f"{paths[0]} has 12 lines, {paths[1]} has 11; judged by length they part at line 7"
        ),
    ):
        read_parallel(*paths)


def test_empty_file_against_full_file_is_refused(tmp_path):
    paths = write(tmp_path / "a", SOURCE), write(tmp_path / "b", [])
    with pytest.raises(DataError, match=r"b has 0; make line i"):
        read_parallel(*paths)


def test_one_file_for_both_sides_is_refused(tmp_path):
    path = write(tmp_path / "a", SOURCE)
    with pytest.raises(DataError, match="the same file"):
        read_parallel(path, path)


def test_link_to_the_same_file_is_refused(tmp_path):
    path = write(tmp_path / "a", SOURCE)
    (tmp_path / "b").symlink_to(path)
    with pytest.raises(DataError, match="the same file"):
        read_parallel(path, tmp_path / "b")


def test_empty_pairs_are_dropped_and_counted():
    pairs = [Pair("a", "b"), Pair(" ", "b"), Pair("a", ""), Pair("", ""), Pair("\u3000", "b")]
    assert drop_empty(pairs) == ([Pair("a", "b")], {"empty source": 3, "empty target": 1})


@pytest.mark.parametrize("code", ["", "e", "english language", "../x", "en\n"])
def test_strange_language_codes_are_refused(code):
    with pytest.raises(ValueError, match=r"target_language=.*BCP 47"):
        check_languages("en", code)


@pytest.mark.parametrize("code", ["en", "zh", "pt-BR", "zh_Hans_CN", "und"])
def test_language_codes_are_accepted(code):
    check_languages(code, code)
