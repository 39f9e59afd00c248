"""Parallel files as a corpus: given splits, held-out splits, refusals."""

import gzip

import pytest

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.report import fingerprint
from seq2seq_lab.data.text_files import TextFiles
from seq2seq_lab.errors import ConfigError, DataError


@pytest.fixture
def files(tmp_path):
    def write(name, lines):
        content = "".join(f"{line}\n" for line in lines).encode()
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return str(path)

    return write


def both(files, name, count):
    source = files(f"{name}.en", [f"{name} {i}" for i in range(count)])
    return [source, files(f"{name}.de.gz", [f"{name.upper()} {i}" for i in range(count)])]


def test_paths_are_the_files_that_were_given(files, tmp_path):
    corpus = TextFiles("en", "de", both(files, "a", 7), test=both(files, "c", 3))
    assert sorted(corpus.paths()) == sorted(tmp_path.iterdir())


def test_given_splits_are_read_in_order(files):
    corpus = TextFiles("en", "de", both(files, "a", 7), both(files, "b", 5), both(files, "c", 3))
    text = corpus.read()
    assert [len(text.train), len(text.val), len(text.test)] == [7, 5, 3]
    assert text.val[4] == Pair("b 4", "B 4")
    assert text.dropped == {}


def test_further_files_of_a_test_are_references(files):
    test = [*both(files, "c", 3), files("d", ["x", "", "z"]), files("e", ["", " ", "w"])]
    corpus = TextFiles("en", "de", both(files, "a", 7), test=test)
    text = corpus.read()
    assert [p.references for p in text.test] == [("C 0", "x"), ("C 1",), ("C 2", "z", "w")]
    assert text.test[0] == Pair("c 0", "C 0")
    assert len(corpus.paths()) == 6
    plain = TextFiles("en", "de", both(files, "a", 7), test=test[:2]).read()
    assert fingerprint(text.test) != fingerprint(plain.test)


def test_further_references_that_do_not_fit_are_refused(files):
    pair = both(files, "c", 3)
    with pytest.raises(DataError, match=r"c.en has 3 lines, .*d has 2"):
        TextFiles("en", "de", pair, test=[*pair, files("d", ["x", "y"])]).read()
    with pytest.raises(DataError, match="named twice"):
        TextFiles("en", "de", pair, test=[*pair, pair[1]]).read()
    with pytest.raises(ValueError, match=r"train=.*must be two files"):
        TextFiles("en", "de", [*pair, files("d", ["x", "y", "z"])])


def test_missing_splits_are_held_out_of_training(files):
    text = TextFiles("en", "de", both(files, "a", 100), val_fraction=0.1, test_fraction=0.2).read()
    assert [len(text.train), len(text.val), len(text.test)] == [70, 10, 20]
    assert len({*text.train, *text.val, *text.test}) == 100


def test_only_the_missing_split_is_held_out(files):
    text = TextFiles("en", "de", both(files, "a", 100), val=both(files, "b", 5)).read()
    assert [len(text.train), len(text.val), len(text.test)] == [95, 5, 5]


def test_all_in_training_holds_nothing_out(files):
    text = TextFiles("en", "de", both(files, "a", 2), all_in_training=True).read()
    assert text.train == text.val == text.test


def test_empty_pairs_leave_training_but_not_evaluation(files):
    train = [files("t.en", ["a", "", "c", "d"]), files("t.de", ["A", "B", " ", "D"])]
    test = [files("s.en", ["a", ""]), files("s.de", ["", "B"])]
    text = TextFiles("en", "de", train, test, test).read()
    assert text.train == [Pair("a", "A"), Pair("d", "D")]
    assert text.test == [Pair("a", ""), Pair("", "B")]
    assert text.dropped == {"train": {"empty source": 1, "empty target": 1}}


def test_training_files_are_required():
    with pytest.raises(ConfigError, match=r"data\.train=\[SOURCE,TARGET\]"):
        TextFiles("en", "de").read()


@pytest.mark.parametrize("paths", [[], ["a"]])
def test_two_files_are_required(paths):
    with pytest.raises(ValueError, match=r"val=.*must be two files, data\.val=\[SOURCE,TARGET\]"):
        TextFiles("en", "de", ["a", "b"], paths)


@pytest.mark.parametrize("lines", [[], ["", " "]])
def test_files_without_text_are_refused(files, lines):
    with pytest.raises(DataError, match="no pair with text on both sides"):
        TextFiles("en", "de", [files("a", lines), files("b", lines)]).read()


def test_bad_line_of_any_split_is_reported(files, tmp_path):
    (tmp_path / "bad.en").write_bytes(b"fine\n\xff\n")
    val = [str(tmp_path / "bad.en"), files("bad.de", ["1", "2"])]
    with pytest.raises(DataError, match=r"bad\.en:2:1: not UTF-8"):
        TextFiles("en", "de", both(files, "a", 3), val).read()


def test_construction_reads_nothing():
    TextFiles("en", "de", ["no such file", "nor this"])
