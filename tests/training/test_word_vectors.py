"""Files of word vectors: both headers, compression, and every line that is not a word and its numbers."""

import gzip

import numpy as np
import pytest

from seq2seq_lab.errors import DataError
from seq2seq_lab.training.word_vectors import read_vectors

LINES = "cat 0.5 -1 2e-1\nhaus 1 2 3\nÄrger 4 5 6\ncat 9 9 9\nunseen 7 8 9\n"
EXPECTED = {"cat": [0.5, -1.0, 0.2], "Ärger": [4.0, 5.0, 6.0]}


@pytest.mark.parametrize("before", ["", "5 3\n"])
@pytest.mark.parametrize("line_end", ["\n", " \n", "\r\n"])
@pytest.mark.parametrize("compressed", [False, True])
def test_the_vectors_of_known_words_are_read(before, line_end, compressed, tmp_path):
    data = (before + LINES).replace("\n", line_end).encode()
    path = tmp_path / "any.vec"
    path.write_bytes(gzip.compress(data) if compressed else data)
    found = read_vectors(path, {"cat", "Ärger", "dog"}, 3)
    assert {word: vector.tolist() for word, vector in found.items()} == EXPECTED
    assert all(vector.dtype == np.float64 for vector in found.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "5 4\ncat 1 2 3 4\n",
            r"v.txt:1: 4 numbers behind the word, but .* has 3; set model.embedding_dim=4",
        ),
        ("cat 1 2 3\nhaus 1 2\n", r"v.txt:2: 2 numbers behind"),
        ("new york 1 2 3\n", r"v.txt:1: 4 numbers behind"),
        ("cat\t1\t2\t3\n", r"v.txt:1: 0 numbers behind .* with single spaces between"),
        ("cat 1 2 x\n", r"v.txt:1: 'cat': not a number behind it"),
        ("cat 1 2 nan\n", r"v.txt:1: 'cat': a number that is not finite"),
        ("cat 1 2 3\n\n", r"v.txt:2: 0 numbers behind"),
    ],
)
def test_a_wrong_line_is_named(text, message, tmp_path):
    path = tmp_path / "v.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_vectors(path, {"cat"}, 3)


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "v.gz"
    path.write_bytes(gzip.compress(LINES.encode() * 50)[:-20])
    with pytest.raises(DataError, match=r"v.gz: cannot be read"):
        read_vectors(path, {"cat"}, 3)
    with pytest.raises(DataError, match="cannot be read"):
        read_vectors(tmp_path, {"cat"}, 3)
