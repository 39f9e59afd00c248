"""A command line as it was typed, for this process and for its workers."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

from seq2seq_lab.config.command_line import with_resume
from seq2seq_lab.errors import ConfigError

_COMMAND = "SEQ2SEQ_LAB_COMMAND"
"""The environment variable by which a command tells its workers how it was started."""


@dataclass(frozen=True)
class Typed:
    """A command line as it was typed."""

    program: list[str]
    """Interpreter, script or module, and the name of the command if there is one."""

    flags: list[str]
    """`--extension PATH`: what every process of the command needs."""

    arguments: list[str]
    """All others: Hydra's flags and the overrides."""

    def words(self) -> list[str]:
        """Return what was typed after the program, the extensions first."""
        return [*self.flags, *self.arguments]


@contextmanager
def remembered(command: Typed | None = None) -> Iterator[None]:
    """Let `job_command` know, in this process and in its workers, how this command was started."""
    if _COMMAND in os.environ:
        yield
        return
    os.environ[_COMMAND] = json.dumps(asdict(command or typed((), (), sys.argv[1:])))
    try:
        yield
    finally:
        del os.environ[_COMMAND]


def typed(name: Sequence[str], flags: Sequence[str], arguments: Sequence[str]) -> Typed:
    """Return the command line of this process, of which `sys.argv` is not changed yet."""
    after = sys.argv[1:]
    before = sys.orig_argv[: len(sys.orig_argv) - len(after)]
    is_known = before + after == sys.orig_argv and len(before) > 1
    program = before if is_known else ["python", sys.argv[0]]
    words = list(arguments)
    with suppress(ConfigError):  # reported when the command line is read
        words = with_resume(words)
    return Typed([*program, *name], list(flags), words)


def command_of_process() -> Typed:
    """Return the command that this process carries out; of a worker, that of the process which started it."""
    stored = os.environ.get(_COMMAND)
    return Typed(**json.loads(stored)) if stored else typed((), (), sys.argv[1:])
