"""A disk that fails, or a process that is killed, at the n-th call that changes the disk; in a forked child only."""

import builtins
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

CALLS = (
    "write", "fsync", "fdatasync", "replace", "rename", "unlink", "remove", "mkdir", "rmdir", "truncate", "ftruncate",
    "chmod", "symlink", "link",
)  # fmt: skip
"""Functions of `os` that change the disk; `open` counts where it may write."""
_WRITING = set("wax+")


class Strike:
    """Counts the calls and acts at one of them; a write comes half-way before it strikes."""

    def __init__(
        self, number: int, act: Callable[[Any], object], under: str = "", *, last: bool = False
    ):
        self.number, self.act, self.under = number, act, under
        self.count, self.is_lasting, self.is_on = 0, last, True

    def comes(self, place: Any = "") -> bool:
        """Count a call on this path and return whether the fault is due."""
        if not self.is_on or (self.under and not self._is_under(place)):
            return False
        self.count += 1
        return self.count == self.number or (self.is_lasting and self.count > self.number)

    def _is_under(self, place: Any) -> bool:
        if isinstance(place, int):
            try:
                place = str(Path(f"/proc/self/fd/{place}").readlink())
            except OSError:
                return False
        return self.under in str(Path(os.fsdecode(place)).absolute())

    def install(self) -> "Strike":
        """Put itself before every call of this process that changes the disk."""
        for name in CALLS:
            setattr(os, name, self._wrapped(name, getattr(os, name)))
        plain_open = os.open

        def checked_open(path: Any, flags: int, *rest: Any, **named: Any) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and self.comes(path):
                self.act(path)
            return plain_open(path, flags, *rest, **named)

        os.open = checked_open
        builtins.open = io.open = self._wrapped_open(io.open)
        return self

    def _wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if arguments and self.comes(arguments[0]):
                if name == "write":
                    function(arguments[0], arguments[1][: len(arguments[1]) // 2])
                self.act(arguments[0])
            return function(*arguments, **named)

        return call

    def _wrapped_open(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        strike = self

        class Raw(io.FileIO):
            def write(self, content: Any) -> int | None:
                if strike.comes(self.fileno()):
                    super().write(bytes(content)[: len(content) // 2])
                    strike.act(self.fileno())
                return super().write(content)

        def checked_open(
            file: Any,
            mode: str = "r",
            buffering: int = -1,
            encoding: Any = None,
            errors: Any = None,
            newline: Any = None,
            closefd: bool = True,
            opener: Any = None,
        ) -> Any:
            if not _WRITING & set(mode):
                return plain(file, mode, buffering, encoding, errors, newline, closefd, opener)
            if not isinstance(file, int) and self.comes(file):
                self.act(file)
            raw = Raw(file, mode.replace("b", "").replace("t", ""), closefd, opener)
            if buffering == 0:
                return raw
            binary: Any = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            if "b" in mode:
                return binary
            return io.TextIOWrapper(
                binary, encoding, errors, newline, line_buffering=buffering == 1
            )

        return checked_open


def failing(number: int, code: int, under: str = "", *, last: bool = False) -> Strike:
    """Raise this OSError at the n-th call (and all later ones, with `last`) under the folder."""

    def act(place: Any) -> None:
        name = None if isinstance(place, int) else os.fspath(place)  # as the system says it
        raise OSError(code, os.strerror(code), name)

    return Strike(number, act, under, last=last).install()


def deadly(number: int, under: str = "") -> Strike:
    """Kill this process for good at the n-th call under the folder."""
    return Strike(number, lambda _: os.kill(os.getpid(), 9), under).install()
