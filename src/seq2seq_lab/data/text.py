"""The only reader of text files: lines of UTF-8, plain or gzip; what is no text is refused with file:line:byte.

A line ends at the byte LF and nowhere else, so that line i of one file belongs to line i of the other whatever
characters a sentence holds: U+2028, U+2029, U+0085, form feed and a lone carriage return stay inside their line.
The LF after the last line may be missing. One carriage return before the LF (Windows files) is cut and counted, and
so is a byte order mark at byte 0. The bytes must be strict UTF-8 without NUL, plain or gzip: the first bytes of a
file decide which, not its name.
"""

import contextlib
import difflib
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from seq2seq_lab.errors import DataError, UnsafeError

MAX_BYTES = 4 << 30
"""A gzip file that grows beyond this is refused."""
MAX_RATIO, RATIO_FROM = 100, 8 << 20
"""So is one that has grown beyond RATIO_FROM bytes and MAX_RATIO times what was read of it (text: 3 to 20 times)."""
MAX_LINE = 64 << 20
BLANK = "blank line"
"""Counted under this name where a blank line is left out."""
CARRIAGE_RETURNS = "carriage return at line end cut, kept"
BYTE_ORDER_MARKS = "byte order mark cut, kept"

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_UNPACK = {
    _GZIP: ("gzip data", "unpack it with `gunzip -c` first"),
    b"PK\x03\x04": (
        "a zip archive (or an office document)",
        "unpack it, or export it as UTF-8 text",
    ),
    b"\xfd7zXZ": ("xz data", "unpack it with `xz -dc` first"),
    b"BZh": ("bzip2 data", "unpack it with `bzip2 -dc` first"),
    b"\x28\xb5\x2f\xfd": ("zstandard data", "unpack it with `zstd -dc` first"),
    b"\xff\xfe\x00\x00": ("UTF-32", "convert it with `iconv -f UTF-32 -t UTF-8`"),
    b"\xff\xfe": ("UTF-16", "convert it with `iconv -f UTF-16 -t UTF-8`"),
    b"\xfe\xff": ("UTF-16", "convert it with `iconv -f UTF-16 -t UTF-8`"),
}


@runtime_checkable
class LineStream(Protocol):
    """What lines are read from: an open binary file, standard input, a gzip stream."""

    def readline(self, size: int = -1, /) -> bytes:
        """Return the bytes up to the next LF inclusive, at most `size` of them; empty at the end."""
        ...


@dataclass(frozen=True)
class TextLines:
    """The lines of a file without their ends; `dropped` counts what was cut from them, as {reason: lines}."""

    lines: list[str]
    dropped: dict[str, int] = field(default_factory=dict)


def read_lines(path: str | Path, *, max_bytes: int = MAX_BYTES) -> TextLines:
    """Read a plain or gzip text file. A file of 0 bytes has no line.

    Raises `DataError` with file:line:byte for whatever is not text and `UnsafeError` for a gzip bomb.
    """
    counts: Counter[str] = Counter()
    with open_text(path, max_bytes) as stream:
        lines = list(iter_lines(stream, str(path), counts))
    return TextLines(lines, dict(counts))


def iter_file(path: str | Path) -> Iterator[str]:
    """Yield the lines of a plain or gzip text file of any size; what `read_lines` refuses is refused at its line."""
    with open_text(path) as stream:
        yield from iter_lines(stream, str(path))


def iter_lines(stream: LineStream, name: str, counts: Counter[str] | None = None) -> Iterator[str]:
    """Yield the lines of a binary stream as soon as each one is complete.

    `name` names the file in messages, `counts` counts what was cut. A line that is not text raises
    `DataError` when its turn comes, after all lines before it were yielded.
    """
    counts = Counter() if counts is None else counts
    for number, raw in enumerate(_raw_lines(stream, name), start=1):
        mark = 0
        if number == 1:
            _refuse_other_formats(raw, name)
            mark = _length_of_mark(raw)
            counts.update({BYTE_ORDER_MARKS: 1} if mark else {})
            if len(raw) == mark:
                return  # nothing but the mark
        body = raw[mark:].removesuffix(b"\n")
        if body.endswith(b"\r"):
            body = body[:-1]
            counts[CARRIAGE_RETURNS] += 1
        try:
            line = body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _not_utf8(error, body, f"{name}:{number}", mark) from error
        if "\0" in line:
            place = f"{name}:{number}:{mark + body.index(0) + 1}"
            raise DataError(
                f"{place}: a NUL byte; is this a text file? Remove it with `tr -d '\\000'`"
            )
        yield line


def single_line(text: str) -> str:
    """Return a text from inside quotes (CSV, JSON) as the single line that a sentence must be."""
    return text.replace("\r\n", " ").replace("\n", " ")


def _raw_lines(stream: LineStream, name: str) -> Iterator[bytes]:
    """Yield the lines with their ends; errors of the stream are reported with file:line."""
    number = 1
    while True:
        try:
            raw = stream.readline(MAX_LINE + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            reason = "cut off" if isinstance(error, EOFError) else "damaged"
            text = f"{name}:{number}: the gzip data are {reason} here ({error}); fetch or pack the file again"
            raise DataError(text) from error
        except OSError as error:
            text = f"{name}:{number}: cannot be read: {error.strerror or error}; check the disk and the file"
            raise DataError(text) from error
        if len(raw) > MAX_LINE:
            raise DataError(
                f"{name}:{number}: a line of more than {MAX_LINE:,} bytes; is this a text file?"
            )
        if not raw:
            return
        yield raw
        number += 1


def _refuse_other_formats(raw: bytes, name: str) -> None:
    for magic, (what, advice) in _UNPACK.items():
        if raw.startswith(magic):
            raise DataError(f"{name}: this is {what}, not UTF-8 text; {advice}")
    if raw.count(0) * 3 > len(raw) and len(raw.replace(b"\0", b"").strip()) > 0:
        text = f"{name}:1:{raw.index(0) + 1}: NUL bytes between the letters, so this is probably UTF-16 or UTF-32"
        raise DataError(f"{text}; convert it with `iconv -f UTF-16LE -t UTF-8` (or UTF-16BE)")


def _length_of_mark(raw: bytes) -> int:
    return len(_BYTE_ORDER_MARK) if raw.startswith(_BYTE_ORDER_MARK) else 0


def _not_utf8(error: UnicodeDecodeError, body: bytes, place: str, offset: int) -> DataError:
    what = _what_is_wrong(body[error.start : error.start + 4])
    return DataError(
        f"{place}:{offset + error.start + 1}: not UTF-8: {what}; fix the line, or convert the file with "
        "`iconv -f WINDOWS-1252 -t UTF-8` if that is its encoding"
    )


def _what_is_wrong(sequence: bytes) -> str:
    """Name the fault of the bytes at which decoding stopped."""
    first, second = sequence[0], sequence[1] if len(sequence) > 1 else 0
    byte, pair = f"byte 0x{first:02X}", f"bytes 0x{first:02X} 0x{second:02X}"
    continues = 0x80 <= second <= 0xBF
    if 0x80 <= first <= 0xBF:
        return f"a lone continuation ({byte})"
    if first in {0xC0, 0xC1}:
        return f"an overlong form ({byte})"
    if continues and ((first == 0xE0 and second < 0xA0) or (first == 0xF0 and second < 0x90)):
        return f"an overlong form ({pair})"
    if first == 0xED and continues and second >= 0xA0:
        return f"a surrogate, half of a UTF-16 pair ({pair})"
    if first > 0xF4 or (first == 0xF4 and continues and second >= 0x90):
        return f"no such character ({byte})"
    return f"a multibyte character that is cut off ({byte})"


class _Counted:
    """The packed bytes of a gzip file or pipe, counted as they are read."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.count = file, 0

    def read(self, size: int = -1, /) -> bytes:
        data = self.file.read(size)
        self.count += len(data)
        return data


class _CappedGzip:
    """A gzip stream that stops before it fills memory or disk."""

    def __init__(self, file: gzip.GzipFile, name: str, packed: _Counted, max_bytes: int) -> None:
        self.file, self.name, self.packed, self.max_bytes = file, name, packed, max_bytes
        self.count = 0

    def readline(self, size: int = -1, /) -> bytes:
        line = self.file.readline(size)
        self.count += len(line)
        if self.count > min(self.max_bytes, max(RATIO_FROM, MAX_RATIO * self.packed.count)):
            raise UnsafeError(
                f"{self.name}: {self.packed.count:,} bytes of gzip grow beyond {self.count:,}, refused as a possible "
                "bomb; if you trust the file, unpack it yourself with `gunzip` and name the plain file"
            )
        return line


@contextlib.contextmanager
def open_text(path: str | Path, max_bytes: int = MAX_BYTES) -> Iterator[LineStream]:
    """Open a plain or gzip file as a stream for `iter_lines`; `max_bytes` limits what a gzip file unpacks to."""
    try:
        file = Path(path).expanduser().open("rb")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file{_nearest(Path(path))}") from error
    except IsADirectoryError as error:
        raise DataError(f"{path}: a folder, not a text file; name a file inside it") from error
    except PermissionError as error:
        raise DataError(
            f"{path}: no permission to read it; see `ls -l`, fix it with `chmod +r`"
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be opened: {reason}; check the name") from error
    with file:
        if not file.peek(2).startswith(_GZIP):
            yield file
            return
        packed = _Counted(file)
        with gzip.GzipFile(fileobj=packed, mode="rb") as unpacked:  # type: ignore[call-overload]
            yield _CappedGzip(unpacked, str(path), packed, max_bytes)


def _nearest(path: Path) -> str:
    if path.is_absolute() and not path.parent.is_dir():
        return f"; nor is there a folder {path.parent}"
    try:
        names = sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        names = []
    matches = difflib.get_close_matches(path.name, names, n=1)
    guess = f"; did you mean {path.with_name(matches[0])}?" if matches else ""
    return guess if guess or path.is_absolute() else f"; relative paths start at {Path.cwd()}"
