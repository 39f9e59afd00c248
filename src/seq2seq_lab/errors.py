"""The error contract: what went wrong, where, and what to do next, on one line, with an exit code.

Whoever finds a user's mistake raises one of these classes; a command's entry point hands control to `run`,
which prints the message on stderr and returns the exit code: one line, and of several mistakes found together a
line each below it. A traceback appears only for our own bugs, or when the user asked for it.
"""

import contextlib
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from seq2seq_lab.stopping import StoppedError, listening, say

__all__ = [
    "CheckpointError", "ConfigError", "DataError", "NotFiniteError", "ResourceError", "StoppedError", "SweepError",
    "UnsafeError", "UserError", "one_line", "report", "run",
]  # fmt: skip


class UserError(Exception):
    """A mistake that the user can fix: the message names the value, the rule and the next step.

    `problems` are several mistakes found together, which the message names one after the other.
    """

    exit_code = 1

    def __init__(self, message: object = "", problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class ConfigError(UserError):
    """A wrong key, name, type, range or combination in the configuration or on the command line."""

    exit_code = 2


class DataError(UserError):
    """A text file, table or corpus that cannot be used as it is."""

    exit_code = 3


class NotFiniteError(UserError):
    """A loss or gradient became NaN or infinite."""

    exit_code = 4


class ResourceError(UserError):
    """Memory or disk ran out, or a folder cannot be written."""

    exit_code = 5


class CheckpointError(UserError):
    """A checkpoint or cache is damaged, incomplete or belongs to something else."""

    exit_code = 6


class UnsafeError(UserError):
    """Something was refused because loading it could run foreign code or write outside its folder."""

    exit_code = 7


class SweepError(UserError):
    """Some runs of a sweep failed; the others are complete."""

    exit_code = 8


_STEERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""What could steer a terminal: control characters, escapes, bidirectional marks, halves of UTF-16 pairs."""


def one_line(text: object) -> str:
    """Return the text on one line, with control characters made visible."""
    return "".join(
        c if c.isprintable() else " " if c in "\n\t" else repr(c)[1:-1] for c in str(text)
    ).strip()


def printable(text: str) -> str:
    """Return the text with its lines and tabs as they are, and all that could steer a terminal made visible."""
    return _STEERS.sub(lambda found: ascii(found[0])[1:-1], text)


@runtime_checkable
class Screen(Protocol):
    """A text stream that knows whether it is a terminal."""

    def isatty(self) -> bool:
        """Return whether people read it."""
        ...


def for_stream(text: str, stream: Screen) -> str:
    """Return the text as it may be written there: as it is to a file or pipe, `printable` to a terminal."""
    return printable(text) if stream.isatty() else text


def print_traceback(error: BaseException) -> None:
    """Print a traceback on standard error; the error's text cannot steer the terminal."""
    print(printable("".join(traceback.format_exception(error))), end="", file=sys.stderr)  # noqa: T201


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error of Python, torch or CUDA says that memory ran out."""
    text = str(error).lower()
    is_refused = "can't allocate memory" in text or "out of memory" in text
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and is_refused)


def report(error: BaseException, *, with_traceback: bool = False) -> int:
    """Print the error by the contract and return its exit code."""
    if isinstance(error, UserError | StoppedError):
        code, message = error.exit_code, f"error: {_shown(error)}"
    elif isinstance(error, KeyboardInterrupt):
        code, message = 130, "interrupted"
    elif is_out_of_memory(error):
        code, message = 5, f"error: out of memory; lower the batch size ({one_line(error)})"
    elif isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        code, message = 5, f"error: {one_line(error)}"
    else:
        code, message = (
            1,
            f"error: this is a bug of seq2seq-lab: {type(error).__name__}: {one_line(error)}",
        )
        with_traceback = True
    if with_traceback:
        print_traceback(error)
    say(message)
    return code


def _shown(error: BaseException) -> str:
    """Return an error as people read it: several problems on an indented line each, whatever their texts hold."""
    problems = getattr(error, "problems", ())
    if len(problems) < 2:
        return one_line(error)
    return "\n  ".join([f"{len(problems)} problems:", *map(one_line, problems)])


def run(main: Callable[[], object]) -> int:
    """Call `main` and return the exit code; errors, and signals that ask to stop, are reported by the contract."""
    try:
        with listening():
            return _run(main)
    except StoppedError as error:  # it came when all was done
        return report(error)


def _run(main: Callable[[], object]) -> int:
    try:
        main()
    except BrokenPipeError:  # the reader went away, as with `| head`
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt, StoppedError) as error:
        return report(error)
    return 0
