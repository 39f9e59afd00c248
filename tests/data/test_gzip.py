"""Text in gzip: known by its bytes, read as plain text is, and refused when it grows beyond measure."""

import contextlib
import gzip
import os
import threading
from pathlib import Path

import pytest

from seq2seq_lab.data import text
from seq2seq_lab.data.text import read_lines
from seq2seq_lab.errors import UnsafeError


def write(folder: Path, content: bytes, name: str = "a.txt") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["a.gz", "a.txt"])
def test_gzip_is_known_by_its_bytes_whatever_its_name(tmp_path, name):
    content = f"{'家'}\nb\n".encode()
    assert read_lines(write(tmp_path, gzip.compress(content), name)).lines == ["家", "b"]


def test_plain_text_named_gz_is_read(tmp_path):
    assert read_lines(write(tmp_path, b"a\n", "a.gz")).lines == ["a"]


def test_gzip_of_several_members_is_one_text(tmp_path):
    content = gzip.compress(b"a\nb") + gzip.compress(b"c\n")
    assert read_lines(write(tmp_path, content)).lines == ["a", "bc"]


def test_gzip_beyond_the_cap_is_refused(tmp_path):
    path = write(tmp_path, gzip.compress(os.urandom(5000).hex().encode()))
    with pytest.raises(UnsafeError, match="refused as a possible bomb") as caught:
        read_lines(path, max_bytes=7000)
    assert caught.value.exit_code == 7


def test_gzip_that_grows_a_thousandfold_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "RATIO_FROM", 1 << 16)
    with pytest.raises(UnsafeError, match="refused as a possible bomb"):
        read_lines(write(tmp_path, gzip.compress(b"a\n" * (1 << 18))))


def test_gzip_bomb_in_a_pipe_is_refused(tmp_path):
    os.mkfifo(pipe := tmp_path / "pipe")
    bomb = gzip.compress(b"a\n" * (8 << 20))

    def write_it() -> None:
        with contextlib.suppress(BrokenPipeError):
            pipe.write_bytes(bomb)

    writer = threading.Thread(target=write_it, daemon=True)
    writer.start()
    with pytest.raises(UnsafeError, match=r"pipe: [\d,]+ bytes of gzip grow beyond 8,388,6"):
        read_lines(pipe)
    writer.join(30)


def test_gzip_of_lines_that_repeat_is_text_up_to_some_megabytes(tmp_path):
    assert len(read_lines(write(tmp_path, gzip.compress(b"a b c\n" * (1 << 20)))).lines) == 1 << 20
