"""A disk of a few kilobytes that only this process sees: a tmpfs in a mount namespace of its own."""

import ctypes
import os
from pathlib import Path

from faults.row import SkippedError

_NEW_NAMESPACE, _NEW_USER = 0x00020000, 0x10000000
_READ_ONLY, _REMOUNT, _PRIVATE, _ALL_BELOW = 1, 32, 1 << 18, 1 << 14
_LIBRARY = ctypes.CDLL(None, use_errno=True)


def _mount(kind: str, target: Path, flags: int, options: str) -> None:
    done = _LIBRARY.mount(
        kind.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode()
    )
    if done != 0:
        number = ctypes.get_errno()
        raise SkippedError(f"no disk can be mounted here: {os.strerror(number)}")


def mount(folder: Path, size: int) -> None:
    """Mount an empty disk of `size` bytes; call it in a forked child only."""
    folder.mkdir(parents=True, exist_ok=True)
    user = 0 if os.getuid() == 0 else _NEW_USER
    if _LIBRARY.unshare(_NEW_NAMESPACE | user) != 0:
        raise SkippedError("no mount namespace is permitted here")
    _mount("none", Path("/"), _PRIVATE | _ALL_BELOW, "")
    _mount("tmpfs", folder, 0, f"size={size}")


def resize(folder: Path, size: int) -> None:
    """Give the disk another size; its content stays."""
    _mount("tmpfs", folder, _REMOUNT, f"size={size}")


def make_read_only(folder: Path, *, yes: bool, size: int) -> None:
    """Refuse or allow every write."""
    _mount("tmpfs", folder, _REMOUNT | (_READ_ONLY if yes else 0), f"size={size}")
