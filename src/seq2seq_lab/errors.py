"""The one-line error contract: what went wrong, where, and what to do next, with an exit code.

Whoever finds a user's mistake raises one of these classes; a command's entry point hands control to `run`,
which prints the message as one line on stderr and returns the exit code. A traceback appears only for our own
bugs, or when the user asked for it.
"""

import contextlib
import os
import sys
import traceback
from collections.abc import Callable

from seq2seq_lab.stopping import StoppedError, listening, say

__all__ = [
    "CheckpointError", "ConfigError", "DataError", "NotFiniteError", "ResourceError", "StoppedError", "SweepError",
    "UnsafeError", "UserError", "one_line", "report", "run",
]  # fmt: skip


class UserError(Exception):
    """A mistake that the user can fix: the message names the value, the rule and the next step."""

    exit_code = 1


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


def one_line(text: object) -> str:
    """Return the text on one line, with control characters made visible."""
    return "".join(
        c if c.isprintable() else " " if c in "\n\t" else repr(c)[1:-1] for c in str(text)
    ).strip()


def report(error: BaseException, *, with_traceback: bool = False) -> int:
    """Print the error by the contract and return its exit code."""
    if isinstance(error, UserError | StoppedError):
        code, message = error.exit_code, f"error: {one_line(error)}"
    elif isinstance(error, KeyboardInterrupt):
        code, message = 130, "interrupted"
    elif isinstance(error, MemoryError) or "out of memory" in str(error).lower():
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
        traceback.print_exception(error, file=sys.stderr)
    say(message)
    return code


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
