"""Bytes that only grow: in memory while they are few, then in a file without a name that arrays are mapped from."""

import io
import tempfile
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from seq2seq_lab.errors import ResourceError

IN_MEMORY = 32 << 20
"""Bytes up to which no file is made."""


class Spill:
    """What is written lies in memory up to `IN_MEMORY` bytes, then in a temporary file that has no name any more.

    The file is made in the folder for temporary files, which TMPDIR names. Its space is free again when this process
    ends, however it ends, and no other process can see it. Raises `ResourceError` where the disk is full.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] = io.BytesIO()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append bytes."""
        try:
            if isinstance(self._file, io.BytesIO) and self.size + len(data) > IN_MEMORY:
                held = self._file.getbuffer()
                self._file = tempfile.TemporaryFile(prefix="seq2seq-lab-")  # noqa: SIM115
                self._file.write(held)
            self._file.write(data)
        except OSError as error:
            raise _no_room(error, self.size + len(data)) from error
        self.size += len(data)

    def array(self, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return what was written as one array; of a file only the parts that are looked at come into memory."""
        if isinstance(self._file, io.BytesIO):
            return np.frombuffer(self._file.getbuffer(), dtype)
        try:
            self._file.flush()
        except OSError as error:
            raise _no_room(error, self.size) from error
        return np.memmap(self._file, dtype, mode="c")


def _no_room(error: OSError, size: int) -> ResourceError:
    return ResourceError(
        f"{tempfile.gettempdir()}: cannot hold {size:,} bytes of the training text: {error.strerror or error}; set "
        "TMPDIR to a folder on a disk with more room, or keep fewer pairs (data.max_pairs)"
    )
