"""Word vectors in text: a word and its numbers in each line (word2vec's text form, GloVe, fastText's .vec; .gz too)."""

import gzip
from collections.abc import Container
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seq2seq_lab.errors import DataError, one_line

_GZIP = b"\x1f\x8b"


def read_vectors(path: Path, words: Container[str], dim: int) -> dict[str, NDArray[np.float64]]:
    """Return the vectors of these words, (dim,) each; of a word that comes twice the first.

    A first line of two whole numbers is word2vec's header. Raises `DataError` with file and line for a line that is not
    a word and `dim` finite numbers, and for a file that cannot be read.
    """
    found: dict[str, NDArray[np.float64]] = {}
    try:
        with _opened(path) as file:
            for number, line in enumerate(file, start=1):
                cells = line.rstrip(b"\r\n").rstrip(b" ").split(b" ")
                if number == 1 and len(cells) == 2 and all(cell.isdigit() for cell in cells):
                    _check_width(int(cells[1]), dim, f"{path}:1")
                    continue
                _check_width(len(cells) - 1, dim, f"{path}:{number}")
                word = cells[0].decode("utf-8", "replace")
                if word in words and word not in found:
                    found[word] = _numbers(cells[1:], f"{path}:{number}: {one_line(word)!r}")
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be read ({error}); give a text file or .gz") from error
    return found


def _opened(path: Path) -> BufferedIOBase:
    with path.open("rb") as file:
        is_compressed = file.read(2) == _GZIP
    return gzip.GzipFile(path) if is_compressed else path.open("rb")


def _check_width(found: int, dim: int, place: str) -> None:
    if found != dim:
        raise DataError(
            f"{place}: {found} numbers behind the word, but the embedding has {dim}; set model.embedding_dim={found}, "
            "or give one word and its numbers in each line, with single spaces between"
        )


def _numbers(cells: list[bytes], place: str) -> NDArray[np.float64]:
    try:
        vector = np.array(cells).astype(np.float64)
    except ValueError as error:
        raise DataError(f"{place}: not a number behind it ({error}); fix the line") from error
    if not np.isfinite(vector).all():
        raise DataError(f"{place}: a number that is not finite; fix the line")
    return vector
