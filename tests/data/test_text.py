"""What a line is and which bytes are text: `read_lines` and `iter_lines`, with every refusal."""

import contextlib
import gzip
import io
import os
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seq2seq_lab.data import text
from seq2seq_lab.data.text import BYTE_ORDER_MARKS, CARRIAGE_RETURNS, iter_lines, read_lines
from seq2seq_lab.errors import DataError, one_line

HOUSE = "漢 dom"
SEPARATORS = ["\u2028", "\u2029", "\x85", "\x0c", "\x0b", "\x1c", "\r", "\ufeff", "\u200b"]


def write(folder: Path, content: bytes, name: str = "a.txt") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def lines_of(content: bytes) -> list[str]:
    return list(text.iter_lines(io.BytesIO(content), "a.txt"))


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a\nb\n", ["a", "b"]),
        (b"a\nb", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\r\nb\r", ["a", "b"]),
        (b"a\r\r\n", ["a\r"]),
        (b"a\rb\n", ["a\rb"]),
        (b"a\n\n\n", ["a", "", ""]),
        (b"  \n\t\n", ["  ", "\t"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", ["a", "\ufeffb"]),
        (b"\xef\xbb\xbf", []),
        (b"\xef\xbb\xbf\n", [""]),
        ("a\u2028b\u2029c\x85d\x0ce\n".encode(), ["a\u2028b\u2029c\x85d\x0ce"]),
    ],
)
def test_lines_by_hand(tmp_path, content, lines):
    assert read_lines(write(tmp_path, content)).lines == lines


def test_what_was_cut_is_counted(tmp_path):
    found = read_lines(write(tmp_path, b"\xef\xbb\xbfa\r\nb\nc\r\n"))
    assert found.dropped == {CARRIAGE_RETURNS: 2, BYTE_ORDER_MARKS: 1}


def test_a_word_of_a_megabyte_is_one_line(tmp_path):
    assert read_lines(write(tmp_path, b"x" * (1 << 20) + b"\nb\n")).lines == ["x" * (1 << 20), "b"]


def test_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, b"a\n")
    assert read_lines("~/a.txt").lines == ["a"]


UTF16 = "hello\nworld\n"
BAD_BYTES = {
    "lone continuation": (
        b"ok\nab\x80c\n",
        "a.txt:2:3: not UTF-8: a lone continuation (byte 0x80)",
    ),
    "overlong two": (b"a\xc0\xafb\n", "a.txt:1:2: not UTF-8: an overlong form (byte 0xC0)"),
    "overlong three": (
        b"\xe0\x80\xaf\n",
        "a.txt:1:1: not UTF-8: an overlong form (bytes 0xE0 0x80)",
    ),
    "overlong four": (
        b"\xf0\x80\x80\xaf\n",
        "a.txt:1:1: not UTF-8: an overlong form (bytes 0xF0 0x80)",
    ),
    "surrogate": (
        b"\n\n\xed\xa0\x80\n",
        "a.txt:3:1: not UTF-8: a surrogate, half of a UTF-16 pair",
    ),
    "cut by the line end": (
        b"a\xe4\xb8\nb\n",
        "a.txt:1:2: not UTF-8: a multibyte character that is cut off",
    ),
    "cut by the file end": (
        b"a\nb\xe4\xb8",
        "a.txt:2:2: not UTF-8: a multibyte character that is cut off",
    ),
    "Latin-1": (
        b"caf\xe9 noir\n",
        "a.txt:1:4: not UTF-8: a multibyte character that is cut off (byte 0xE9)",
    ),
    "beyond Unicode": (
        b"\xf4\x90\x80\x80\n",
        "a.txt:1:1: not UTF-8: no such character (byte 0xF4)",
    ),
    "byte FF": (b"a\n\xff\n", "a.txt:2:1: not UTF-8: no such character (byte 0xFF)"),
    "offset after a mark": (b"\xef\xbb\xbfa\x80\n", "a.txt:1:5: not UTF-8: a lone continuation"),
    "NUL": (b"a\nb\0c and more of it\n", "a.txt:2:2: a NUL byte"),
    "UTF-16 with mark": (
        UTF16.encode("utf-16"),
        "a.txt: this is UTF-16, not UTF-8 text; convert it",
    ),
    "UTF-16 big endian": (b"\xfe\xff" + UTF16.encode("utf-16-be"), "a.txt: this is UTF-16"),
    "UTF-32": (UTF16.encode("utf-32"), "a.txt: this is UTF-32"),
    "UTF-16 LE, no mark": (UTF16.encode("utf-16-le"), "a.txt:1:2: NUL bytes between the letters"),
    "UTF-16 BE, no mark": (UTF16.encode("utf-16-be"), "a.txt:1:1: NUL bytes between the letters"),
    "zip": (b"PK\x03\x04rest", "a.txt: this is a zip archive"),
    "xz": (b"\xfd7zXZ\0\0", "a.txt: this is xz data"),
    "bzip2": (b"BZh91AY", "a.txt: this is bzip2 data"),
    "zstandard": (b"\x28\xb5\x2f\xfd\x24", "a.txt: this is zstandard data"),
    "gzip in gzip": (gzip.compress(gzip.compress(b"a\n")), "a.txt: this is gzip data"),
    "gzip cut off": (gzip.compress(b"a\nb\n" * 99)[:-9], "the gzip data are cut off here"),
    "gzip head only": (b"\x1f\x8b", "the gzip data are cut off here"),
    "gzip damaged": (
        gzip.compress(os.urandom(64).hex().encode())[:-8] + b"12345678",
        "the gzip data are damaged",
    ),
    "gzip, other method": (b"\x1f\x8b\x07aaaaaaaaaaaa", "the gzip data are damaged"),
    "gzip, rubbish after": (gzip.compress(b"a\n") + b"rubbish", "the gzip data are damaged"),
    "gzip of bad text": (gzip.compress(b"ok\n\x80\n"), "a.txt:2:1: not UTF-8: a lone continuation"),
}


@pytest.mark.parametrize("case", BAD_BYTES)
def test_bad_bytes_are_refused_with_their_place(tmp_path, case):
    content, message = BAD_BYTES[case]
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_lines(write(tmp_path, content))
    assert len(one_line(caught.value)) < 400
    assert caught.value.exit_code == 3


def test_missing_file_names_the_nearest(tmp_path):
    write(tmp_path, b"a\n", "train.zh.gz")
    with pytest.raises(DataError, match=r"train\.zh: no such file; did you mean .*train\.zh\.gz\?"):
        read_lines(tmp_path / "train.zh")


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no such file; nor is there a folder .*nowhere"):
        read_lines(tmp_path / "nowhere" / "a.txt")


def test_missing_relative_file_says_where_paths_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=re.escape(f"relative paths start at {Path.cwd()}")):
        read_lines("a.txt")


def test_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="a folder, not a text file"):
        read_lines(tmp_path)


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "~nobody-of-this-name/a.txt"])
def test_impossible_names_are_refused(name):
    with pytest.raises(DataError, match="cannot be opened"):
        read_lines(name)


def test_missing_permission_is_reported(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"no permission to read it; .*chmod \+r"):
        read_lines(tmp_path / "a.txt")


def test_failing_disk_is_reported():
    class Failing:
        def readline(self, size=-1, /):
            raise OSError(5, "Input/output error")

    with pytest.raises(DataError, match=r"a\.txt:1: cannot be read: Input/output error"):
        next(iter_lines(Failing(), "a.txt"))


def test_endless_line_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "MAX_LINE", 1000)
    with pytest.raises(DataError, match=r"a\.txt:2: a line of more than 1,000 bytes"):
        read_lines(write(tmp_path, b"a\n" + b"x" * 1001))


def test_stream_yields_all_lines_before_a_bad_one():
    stream = iter_lines(io.BytesIO(b"a\nb\n\xff\nd\n"), "standard input")
    assert [next(stream), next(stream)] == ["a", "b"]
    with pytest.raises(DataError, match="standard input:3:1"):
        next(stream)


def test_stream_yields_a_line_before_the_next_is_written():
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as source, os.fdopen(writer, "wb", buffering=0) as sink:
        lines = iter_lines(source, "standard input")
        for word in ("one", "two"):
            sink.write(f"{word}\n".encode())
            assert next(lines) == word


def test_gzip_on_a_stream_is_named():
    with pytest.raises(
        DataError, match="this is gzip data, not UTF-8 text; unpack it with `gunzip -c`"
    ):
        next(iter_lines(io.BytesIO(gzip.compress(b"a\n")), "standard input"))


def test_stream_counts_for_its_caller():
    counts = Counter()
    assert list(iter_lines(io.BytesIO(b"a\r\nb\n"), "x", counts)) == ["a", "b"]
    assert counts == {CARRIAGE_RETURNS: 1}


SENTENCE = st.text(
    st.one_of(
        st.characters(exclude_characters="\n\0", exclude_categories=["Cs"]),
        st.sampled_from(SEPARATORS),
    ),
    max_size=7,
)


def check_round_trip(lines: list[str]) -> None:
    """Law: what was written line by line is read line by line, whatever the lines hold."""
    kept = [line.removesuffix("\r") for line in lines]
    kept[:1] = [line.removeprefix("\ufeff").removesuffix("\r") for line in lines[:1]]
    assert lines_of("".join(f"{line}\n" for line in lines).encode()) == kept


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(SENTENCE, max_size=5))
def test_written_lines_are_read_back(lines):
    check_round_trip(lines)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_are_lines_or_one_error(content):
    with contextlib.suppress(DataError):
        text_bytes = content.removeprefix(b"\xef\xbb\xbf")
        ends = text_bytes.count(b"\n")
        assert len(lines_of(content)) == ends + (
            not text_bytes.endswith(b"\n") and text_bytes != b""
        )


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0c"])
def test_planted_splitlines_is_caught(monkeypatch, separator):
    monkeypatch.setattr(text, "iter_lines", lambda stream, _: stream.read().decode().splitlines())
    with pytest.raises(AssertionError):
        check_round_trip([f"a{separator}b", "c"])


def test_planted_kept_mark_is_caught(monkeypatch):
    monkeypatch.setattr(text, "_length_of_mark", lambda _: 0)
    with pytest.raises(AssertionError):
        check_round_trip(["\ufeffa", "b"])
