"""A stored study (NAME.tar.xz) as a folder, for scripts/rederive.py: plain files only, none outside the folder."""

import contextlib
import lzma
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

SUFFIX = ".tar.xz"
LARGEST = 1 << 29
"""Bytes that an archive may unpack to."""


@contextlib.contextmanager
def opened(place: Path, report: str | None = None) -> Iterator[Path]:
    """Give the folder of a study with its report; that of an archive is put together, and deleted at the end."""
    if not place.is_file():
        yield place
        return
    report = report or f"outputs/reports/{place.name.removesuffix(SUFFIX)}"
    with tempfile.TemporaryDirectory() as temporary, tempfile.TemporaryFile() as raw:
        folder = Path(temporary) / "study"
        try:
            with lzma.open(place) as file:
                while block := file.read(1 << 20):
                    raw.write(block)
                    if raw.tell() > LARGEST:
                        raise ValueError(f"over {LARGEST} bytes")
            raw.seek(0)
            unpack(raw, folder)
        except (lzma.LZMAError, EOFError, tarfile.TarError) as error:
            raise ValueError(str(error)) from error
        shutil.copytree(report, folder / "report")
        yield folder


def unpack(raw, folder: Path) -> None:
    """Write the files of a tar archive into the folder."""
    with tarfile.open(fileobj=raw, mode="r:") as tar:
        for entry in tar:
            name = PurePosixPath(entry.name)
            is_plain = entry.isreg() and entry.sparse is None
            if not is_plain or name.is_absolute() or ".." in name.parts or entry.size > LARGEST:
                raise ValueError(f"{entry.name!r} is no plain file of a study")
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(tar.extractfile(entry).read())
