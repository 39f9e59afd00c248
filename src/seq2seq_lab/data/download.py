"""Download of one file with a known SHA-256: the right bytes in place, or an error and no file."""

import contextlib
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from seq2seq_lab.errors import DataError, ResourceError, UnsafeError
from seq2seq_lab.files import sha256_of, write_atomically

_BLOCK = 1 << 16


def cache_folder() -> Path:
    """Return the folder of downloads: $SEQ2SEQ_LAB_CACHE, or .cache/seq2seq-lab in the home folder."""
    return Path(os.environ.get("SEQ2SEQ_LAB_CACHE") or "~/.cache/seq2seq-lab").expanduser()


def fetch(
    url: str,
    sha256: str,
    path: Path,
    *,
    advice: str = "try again later",
    timeout: float = 30.0,
    deadline: float = 600.0,
    max_bytes: int = 1 << 30,
) -> Path:
    """Make sure that `path` holds the bytes with this SHA-256, and return it; download them if it does not.

    `timeout` is the longest silence of the server and `deadline` the longest download, in seconds; `advice` ends
    the message when the network fails. Raises `DataError` then, and `UnsafeError` for a wrong hash, for more than
    `max_bytes` and for an address that is not http(s); in each case `path` stays as it was.
    """
    if path.is_file() and sha256_of(path) == sha256:
        return path
    if not url.startswith(("https://", "http://")):
        raise UnsafeError(f"{url}: refused, only http and https addresses are downloaded")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise ResourceError(
            f"{path.parent}: cannot be made: {reason}; set SEQ2SEQ_LAB_CACHE"
        ) from error

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            found = _download(url, file, advice, timeout, time.monotonic() + deadline, max_bytes)
        if found != sha256:
            raise UnsafeError(
                f"{url}: the download has SHA-256 {found}, expected {sha256}; it was deleted, nothing was read; "
                f"the file may have been changed or replaced; {advice}"
            )

    write_atomically(path, write)
    return path


def _download(
    url: str, file: BinaryIO, advice: str, timeout: float, end: float, max_bytes: int
) -> str:
    """Copy the body into the file and return its SHA-256."""
    digest, size = hashlib.sha256(), 0
    with contextlib.ExitStack() as stack:
        with _network_errors(url, advice):
            request = urllib.request.Request(url, headers={"User-Agent": "seq2seq-lab"})
            response = stack.enter_context(urllib.request.urlopen(request, timeout=timeout))
        while True:
            with _network_errors(url, advice):
                block = response.read1(_BLOCK)
            size += len(block)
            if size > max_bytes:
                raise UnsafeError(f"{url}: more than {max_bytes:,} bytes, refused; {advice}")
            if time.monotonic() > end:
                raise DataError(f"{url}: too slow, given up after {size:,} bytes; {advice}")
            if not block:
                break
            digest.update(block)
            file.write(block)
        announced = response.headers.get("Content-Length", "")
        if announced.isdigit() and int(announced) != size:
            raise DataError(f"{url}: cut off after {size:,} of {announced} bytes; {advice}")
    return digest.hexdigest()


@contextlib.contextmanager
def _network_errors(url: str, advice: str) -> Iterator[None]:
    """Turn failures of the network into a `DataError` that names the address."""
    try:
        yield
    except urllib.error.HTTPError as error:
        raise DataError(
            f"{url}: the server answers {error.code} {error.reason}; {advice}"
        ) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(f"{url}: cannot be downloaded: {reason}; {advice}") from error
