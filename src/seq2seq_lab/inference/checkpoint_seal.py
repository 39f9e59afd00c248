"""The seal of a checkpoint: its SHA-256, step and epoch inside the file, as the comment of its zip archive.

A file proves itself by its seal whatever became of the files beside it. The digest covers every byte before it, step
and epoch included; what follows it is constant. `zipfile.ZipFile(path).comment` shows the seal.
"""

import hashlib
import io
import os
import re
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path

from seq2seq_lab.errors import CheckpointError

_END_OF_DIRECTORY, _END_SIZE, _LONGEST_COMMENT = b"PK\x05\x06", 22, 0xFFFF
_SEAL = re.compile(
    rb'(\{"step": (-?\d{1,18}), "epoch": (-?\d{1,18}), "sha256": ")([0-9a-f]{64})"\}'
)
_BLOCK = 1 << 20
_UNREADABLE = (OSError, RuntimeError, ValueError, EOFError, KeyError, NotImplementedError)


@dataclass(frozen=True)
class Seal:
    """What a checkpoint says of itself."""

    step: int
    epoch: int
    sha256: str
    covered: int
    """How many bytes at the start of the file the digest covers."""


def seal(archive: io.BytesIO, *, step: int, epoch: int) -> str:
    """Append the seal to a zip archive without a comment; return the SHA-256 of all its bytes then."""
    start = f'{{"step": {step}, "epoch": {epoch}, "sha256": "'.encode()
    size = archive.seek(0, os.SEEK_END)
    archive.seek(size - 2)
    archive.write(struct.pack("<H", len(start) + 64 + 2) + start)
    digest = hashlib.sha256(archive.getbuffer())
    end = f'{digest.hexdigest()}"}}'.encode()
    archive.write(end)
    digest.update(end)
    return digest.hexdigest()


def read_seal(path: Path) -> Seal | None:
    """Return the seal as it is written, or None of an archive without comment.

    Raises `CheckpointError` for what does not end like a zip archive.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _END_SIZE - _LONGEST_COMMENT))
        tail = file.read()
    at = tail.rfind(_END_OF_DIRECTORY)
    end = at + _END_SIZE
    if at < 0 or end > len(tail):
        raise CheckpointError(f"{path}: not a checkpoint, or damaged: it has no end of an archive")
    comment = tail[end:]
    if len(comment) != struct.unpack("<H", tail[end - 2 : end])[0]:
        raise CheckpointError(f"{path}: damaged, its last bytes are not those that were written")
    if not comment:
        return None
    found = _SEAL.fullmatch(comment)
    if found is None:
        raise CheckpointError(f"{path}: not a checkpoint of seq2seq-lab, or its seal is damaged")
    covered = size - len(comment) + len(found[1])
    return Seal(int(found[2]), int(found[3]), found[4].decode(), covered)


def check_seal(path: Path) -> Seal | None:
    """Return the seal of a file whose bytes agree with it.

    Of a file without one (PyTorch's own, or of an older version) the checksums of the archive's members are compared,
    and None is returned. Raises `CheckpointError` if anything differs.
    """
    found = read_seal(path)
    if found is None:
        _check_members(path)
        return None
    digest, left = hashlib.sha256(), found.covered
    with path.open("rb") as file:
        while left and (block := file.read(min(left, _BLOCK))):
            digest.update(block)
            left -= len(block)
    if digest.hexdigest() != found.sha256:
        raise CheckpointError(f"{path}: damaged, its SHA-256 differs from the one inside it")
    return found


def _check_members(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            wrong = archive.testzip() if stored_plainly(archive, path) else "the list of members"
    except (*_UNREADABLE, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: not a checkpoint, or damaged ({error})") from error
    if wrong is not None:
        raise CheckpointError(f"{path}: damaged, the checksum of {wrong} differs")


def stored_plainly(archive: zipfile.ZipFile, path: Path) -> bool:
    """Tell whether no member is compressed and all fit into the file: PyTorch writes so, a zip bomb cannot."""
    members = archive.infolist()
    is_plain = all(member.compress_type == zipfile.ZIP_STORED for member in members)
    return is_plain and sum(member.file_size for member in members) <= path.stat().st_size
