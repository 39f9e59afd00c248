"""The one-line error contract: what went wrong, where, and what to do next, with an exit code.

Whoever finds a user's mistake raises one of these classes; a command's entry point hands control to `run`,
which prints the message as one line on stderr and returns the exit code. A traceback appears only for our own
bugs, or when the user asked for it.
"""

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable


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


class StoppedError(UserError):
    """The run was asked to stop by a signal: 130 for Ctrl-C, 143 for SIGTERM and SIGUSR1; it can be resumed."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 130 if signal_number == signal.SIGINT else 143


def one_line(text: object) -> str:
    """Return the text on one line, with control characters made visible."""
    return "".join(
        c if c.isprintable() else " " if c in "\n\t" else repr(c)[1:-1] for c in str(text)
    ).strip()


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error of Python, torch or CUDA says that memory ran out."""
    text = str(error).lower()
    is_refused = "can't allocate memory" in text or "out of memory" in text
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and is_refused)


def report(error: BaseException, *, with_traceback: bool = False) -> int:
    """Print the error by the contract and return its exit code."""
    if isinstance(error, UserError):
        code, message = error.exit_code, f"error: {one_line(error)}"
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
        traceback.print_exception(error, file=sys.stderr)
    print(message, file=sys.stderr, flush=True)  # noqa: T201
    return code


def run(main: Callable[[], object]) -> int:
    """Call `main` and return the exit code; errors are reported by the contract."""
    try:
        main()
    except BrokenPipeError:  # the reader went away, as with `| head`
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:
        return report(error)
    return 0
