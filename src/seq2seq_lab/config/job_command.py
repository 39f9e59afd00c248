"""The command line of a job: what resumes it, and what starts the other processes of its run."""

import json
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from seq2seq_lab.config.command_line import quoted
from seq2seq_lab.config.extension import with_flags

_COMMAND = "SEQ2SEQ_LAB_COMMAND"
"""The environment variable by which a command tells its workers how it was started."""

_PLACE = re.compile(r"(\+\+?)?(resume|run_dir)=")
_PLAIN = re.compile(r"[\w./@%+-]+")


@contextmanager
def remembered() -> Iterator[None]:
    """Let `job_command` know, in this process and in its workers, how this command was started."""
    if _COMMAND in os.environ:
        yield
        return
    os.environ[_COMMAND] = json.dumps(_typed())
    try:
        yield
    finally:
        del os.environ[_COMMAND]


def _typed() -> tuple[list[str], list[str]]:
    """Return interpreter and program as they were typed, and the arguments."""
    arguments = sys.argv[1:]
    program = sys.orig_argv[: len(sys.orig_argv) - len(arguments)]
    as_typed = program + arguments == sys.orig_argv and len(program) > 1
    return (program if as_typed else ["python", sys.argv[0]]), arguments


def job_command() -> list[str]:
    """Return the command line of this job alone; that of a job in a sweep has the overrides that the sweep chose."""
    program, arguments = json.loads(os.environ.get(_COMMAND) or json.dumps(_typed()))
    settings = HydraConfig.get()
    if settings.mode == RunMode.MULTIRUN:
        arguments = [*settings.overrides.task, "hydra.mode=RUN"]
    return [*program, *with_flags(arguments)]


def resume_command(run_dir: Path, study: str | None = None) -> str:
    """Return the command line that resumes this run; in a study, it is that of the study."""
    if study is not None and HydraConfig.get().mode == RunMode.MULTIRUN:
        program, arguments = json.loads(os.environ.get(_COMMAND) or json.dumps(_typed()))
        words = [*_without_place(arguments, "resume"), "resume=auto"]
        return shlex.join([*program, *with_flags(words)])
    value = str(run_dir) if _PLAIN.fullmatch(str(run_dir)) else quoted(str(run_dir))
    words = [*_without_place(job_command()), "resume=auto", f"run_dir={value}"]
    return shlex.join(with_flags(words))


def _without_place(words: list[str], *keys: str) -> list[str]:
    """Leave out the overrides that say where the run lies and what it starts from."""
    found = [(word, _PLACE.match(word)) for word in words]
    return [word for word, match in found if not match or (keys and match[2] not in keys)]
