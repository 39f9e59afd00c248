"""Atomic writes, checksums and locks: the only module that renames, fsyncs or locks."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock

from seq2seq_lab.errors import CheckpointError, ConfigError, ResourceError

_TEMPORARY = ".seq2seq-lab-"
"""What stands in the name of a temporary file, after the name of the file that it becomes."""


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(
    path: Path,
    write: Callable[[Path], object],
    *,
    just_before: Callable[[], object] = lambda: None,
    size: int | None = None,
) -> None:
    """Let `write` fill a temporary file beside `path`, flush it to disk and rename it into place.

    `just_before` is called when only the rename is left. A failure leaves the old file as it was; what a killed
    process left half-written in the folder is deleted. Raises `ResourceError` when the disk is full or the folder
    unwritable; the message has `size`, the bytes needed, if known.
    """
    now_there = "the old file is unchanged"
    try:
        if path.exists() and not path.is_file():
            raise OSError(errno.EINVAL, "not a regular file")
        delete_left_behind(path.parent)
        with temporary_beside(path) as temporary:
            write(temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            just_before()
            temporary.replace(path)
            now_there = "the new file is in its place, but a power cut may undo that"
            sync_path(path.parent)
    except OSError as error:
        free = shutil.disk_usage(path.parent).free if path.parent.is_dir() else 0
        needed = "" if size is None else f"{size:,} bytes needed, "
        raise ResourceError(
            f"cannot write {path}: {error.strerror or error} ({needed}{free:,} bytes free); {now_there}"
        ) from error


@contextlib.contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """Give a new file, locked as long as this process needs it; it is deleted unless it was renamed."""
    while True:
        handle, name = tempfile.mkstemp(".tmp", f".{path.name[:40]}{_TEMPORARY}", path.parent)
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                filelock.lock_descriptor(handle)
            if not Path(name).exists():  # another process saw it before it was locked
                continue
            try:
                yield Path(name)
            finally:
                with contextlib.suppress(OSError):
                    Path(name).unlink(missing_ok=True)
            return
        finally:
            os.close(handle)


def delete_left_behind(folder: Path) -> None:
    """Delete the temporary files whose process was killed: nobody has them locked."""
    for path in folder.glob(f".*{_TEMPORARY}????????.tmp"):
        with contextlib.suppress(OSError):
            handle = _opened_for_lock(path)
            try:
                if filelock.lock_descriptor(handle, blocking=False):
                    path.unlink()
            finally:
                os.close(handle)


def sync_path(path: Path) -> None:
    """Flush a file, or the names in a folder, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_atomically(path, lambda p: p.write_text(text, encoding="utf-8", newline="\n"))


def json_text(content: Any) -> str:
    """Return content as the text of a JSON file."""
    return json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def json_lines(rows: list[dict[str, Any]]) -> str:
    """Return one JSON object per line."""
    lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
    return "".join(f"{line}\n" for line in lines)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file atomically."""
    write_text(path, json_text(content))


def write_json_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write one JSON object per line, atomically."""
    write_text(path, json_lines(rows))


def sidecar_of(path: Path) -> Path:
    """Return the path of a file's checksum file."""
    return path.with_name(path.name + ".sha256.json")


def write_sidecar(path: Path, **facts: Any) -> None:
    """Store checksum and size of a file beside it."""
    write_json(sidecar_of(path), {"sha256": sha256_of(path), "bytes": path.stat().st_size, **facts})


def verify(path: Path) -> None:
    """Compare a file with its checksum file before it is parsed; a file without one passes."""
    sidecar = sidecar_of(path)
    if not os.path.lexists(sidecar):
        return
    try:
        expected = json.loads(sidecar.read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{sidecar}: not a checksum file; delete it to load anyway"
        ) from error
    if sha256_of(path) != expected:
        raise CheckpointError(
            f"{path}: damaged, its SHA-256 differs from {sidecar.name}; use another checkpoint of the run"
        )


def acquire(path: Path, seconds: float = 0.0) -> filelock.BaseFileLock | None:
    """Take the lock file `path`, or return None if a live process holds it for so many seconds; negative waits forever.

    The kernel frees the lock when its process ends, however that ends, or when the returned object is deleted. On a
    disk without `flock` the file itself is the lock: then one of a dead process is freed on its own machine alone.
    Raises `ResourceError` where the disk has locks that do not work.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path, timeout=seconds)
    try:
        lock.acquire()
    except filelock.Timeout:
        return None
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):
            raise
        raise ResourceError(
            f"{path}: file locks do not work on this disk ({error.strerror}); mount it with locks or choose another: "
            "run_dir=PATH, study_dir=PATH"
        ) from error
    return lock


@contextlib.contextmanager
def held(path: Path, seconds: float = 0.0) -> Iterator[bool]:
    """Hold the lock file `path` within the block; give False, without the lock, where `acquire` gives None."""
    lock = acquire(path, seconds)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.release()


def is_held(path: Path) -> bool:
    """Tell whether a live process holds this lock file; it is left as it is. False where locks cannot be asked for."""
    try:
        handle = _opened_for_lock(path)
    except OSError:
        return False
    try:
        return not filelock.lock_descriptor(handle, blocking=False)
    except OSError:
        return False
    finally:
        os.close(handle)


def _opened_for_lock(path: Path) -> int:
    """Open a file to ask for its lock: for writing, without which NFS gives none, where that is allowed."""
    flags = os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(path, os.O_RDWR | flags)
    except PermissionError:
        return os.open(path, os.O_RDONLY | flags)


@contextlib.contextmanager
def locked(path: Path, advice: str) -> Iterator[None]:
    """Hold the lock file `path` within the block, with process and host in it, and delete it at the end.

    Raises `ConfigError` that names the process and host of the holder and adds the advice.
    """
    with held(path) as is_ours:
        if not is_ours:
            holder = "another process"
            with contextlib.suppress(OSError):  # it ends at this moment
                holder = path.read_text(encoding="utf-8", errors="replace").strip() or holder
            raise ConfigError(f"{path.parent}: in use by {holder}; {advice}")
        path.write_text(f"process {os.getpid()} on {socket.gethostname()}\n", encoding="utf-8")
        try:
            yield
        finally:
            with contextlib.suppress(
                OSError
            ):  # a free lock file is no harm; an error here would hide the first
                path.unlink(missing_ok=True)


def append_line(path: Path, content: dict[str, Any], lock: Path) -> None:
    """Append one JSON object as a whole line, flushed to disk; one process at a time, the one that holds `lock`.

    A torn last line, left by a power cut, is closed first. A reader may see part of the last line.
    """
    line = json.dumps(content, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    try:
        with held(lock, -1.0), path.open("ab+", buffering=0) as file:
            if size := file.seek(0, os.SEEK_END):
                file.seek(size - 1)
                line = line if file.read(1) == b"\n" else b"\n" + line
            if file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
    except OSError as error:
        raise ResourceError(f"cannot write {path}: {error.strerror or error}") from error


def write_folder(path: Path, texts: dict[str, str]) -> None:
    """Write a folder of UTF-8 text files, {path inside it: text}: all of them, or nothing.

    Only an empty folder may be there before. Raises `ResourceError` where it cannot be written.
    """
    try:
        made = Path(tempfile.mkdtemp(".tmp", f".{path.name[:40]}{_TEMPORARY}", path.parent))
        try:
            for name, text in texts.items():
                place = made / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text, encoding="utf-8", newline="\n")
                sync_path(place)
            made.chmod(0o755)
            if path.is_dir():
                path.rmdir()  # an empty one
            made.replace(path)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise ResourceError(
            f"cannot write {path}: {error.strerror or error}; nothing was written"
        ) from error
