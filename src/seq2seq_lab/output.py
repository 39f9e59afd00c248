"""What a command writes: never over its own inputs, in place only when complete, and safe for a terminal."""

import contextlib
import io
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from seq2seq_lab.errors import ConfigError, ResourceError
from seq2seq_lab.files import delete_left_behind, sync_path, temporary_beside

_OPEN_ALREADY = re.compile(r"/dev/(?P<name>stdout|stderr)|/(?:dev|proc/self)/fd/(?P<number>\d+)")
_NUMBERS = {"stdout": 1, "stderr": 2}


@runtime_checkable
class Stream(Protocol):
    """An open stream of this process."""

    def fileno(self) -> int:
        """Return the number by which the system knows it."""
        ...


File = str | Path | Stream
"""The name of a file, or an open stream."""


def refuse_same_file(output: File, inputs: Iterable[File], shown: str = "") -> None:
    """Refuse an output that is one of the inputs, also by a symbolic or hard link; devices may be both.

    Names and open streams are compared as files, so that `FILE > FILE` is found too; `shown` names the output.
    """
    found = _identity(output)
    if found is None:
        return
    for one in inputs:
        if _identity(one) == found:
            which = "the input itself" if _name(one) == _name(output) else f"the input {_name(one)}"
            raise ConfigError(f"{shown or _name(output)}: is {which}; choose another file")


def _identity(file: File) -> tuple[int, int] | None:
    """Return what names a file on this machine; None for a device, or what does not exist or has no name."""
    is_name = isinstance(file, str | Path)
    try:
        found = (
            Path(file).expanduser().stat()
            if isinstance(file, str | Path)
            else os.fstat(file.fileno())
        )
    except (OSError, ValueError, RuntimeError):
        return None
    if stat.S_ISREG(found.st_mode) or (is_name and stat.S_ISFIFO(found.st_mode)):
        return found.st_dev, found.st_ino
    return None


def _name(file: File) -> str:
    if isinstance(file, str | Path):
        return str(file)
    name = str(getattr(file, "name", ""))
    return {"<stdin>": "standard input", "<stdout>": "standard output"}.get(name, name)


class _File(io.FileIO):
    """A file whose failed writes say which file it is."""

    shown = ""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _unwritable(self.shown, error) from error


def _unwritable(name: str | Path, error: OSError) -> ResourceError:
    return ResourceError(f"{name}: cannot be written ({error.strerror}); choose another file")


def _stream(file: int | Path, shown: str | Path) -> io.TextIOWrapper:
    raw = _File(file, "w")
    raw.shown = str(shown)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", newline="\n"
    )


@contextlib.contextmanager
def output_file(
    name: str | Path, inputs: Iterable[File] = (), *, shown: str = ""
) -> Iterator[io.TextIOWrapper]:
    """Give a text stream whose content takes the place of the file `name` when the block ends without an error.

    It grows in a temporary file beside it. After an error, Ctrl-C or SIGTERM the older file is as it was and nothing
    else is left; what a killed process left is deleted by the next one that writes there. A link stays a link, and a
    file keeps its permissions. What is no file (/dev/stdout, a pipe, a device) is written directly. Raises
    `ConfigError` for one of the `inputs` and `ResourceError` for what cannot be written; `shown` is how messages name
    the output.
    """
    shown = shown or str(name)
    refuse_same_file(name, inputs, shown)
    path = Path(name).expanduser()
    direct = _direct(path, shown)
    if direct is not None:
        with direct:
            yield direct
        return
    with contextlib.ExitStack() as stack:
        target, temporary, mode, stream = _beside(path, shown, stack)
        yield stream
        stream.flush()
        try:
            os.fsync(stream.fileno())
            stream.close()
            temporary.chmod(mode)
            temporary.replace(target)
            sync_path(target.parent)
        except OSError as error:
            raise _unwritable(shown, error) from error


def _beside(
    path: Path, shown: str, stack: contextlib.ExitStack
) -> tuple[Path, Path, int, io.TextIOWrapper]:
    """Return the file that will be written, a temporary one beside it, its mode and a stream into it."""
    try:
        target = path.resolve()
        if target.is_dir():
            raise IsADirectoryError(21, "a folder")
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else _default_mode()
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(13, "read-only")
        delete_left_behind(target.parent)
        temporary = stack.enter_context(temporary_beside(target))
        stream = _stream(os.open(temporary, os.O_WRONLY), shown)
    except (OSError, RuntimeError, ValueError) as error:
        raise _unwritable(shown, _as_os_error(error)) from error
    stack.callback(_close, stream)
    return target, temporary, mode, stream


def _close(stream: io.TextIOWrapper) -> None:
    with contextlib.suppress(OSError, ResourceError):
        stream.close()


def _as_os_error(error: Exception) -> OSError:
    return error if isinstance(error, OSError) else OSError(0, str(error))


def _default_mode() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _direct(path: Path, shown: str) -> io.TextIOWrapper | None:
    """Open what is no regular file, or a stream that this process has open; None for a file to be replaced."""
    found = _OPEN_ALREADY.fullmatch(str(path))
    try:
        if found:
            number = _NUMBERS.get(found["name"]) or int(found["number"])
            return _stream(os.dup(number), shown)
        if path.exists() and not path.is_file() and not path.is_dir():
            return _stream(path, shown)
    except (OSError, ValueError) as error:
        raise _unwritable(shown, _as_os_error(error)) from error
    return None
