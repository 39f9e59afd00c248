"""The guard of an entry point: a task as a Hydra command, its mistakes as one line and an exit code."""

import contextlib
import functools
import inspect
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from seq2seq_lab import errors
from seq2seq_lab.config.collection import no_collection
from seq2seq_lab.config.command_line import read_flags, translated
from seq2seq_lab.config.compose import conf_dir, session
from seq2seq_lab.config.extension import take_flags
from seq2seq_lab.config.extension_facts import missing_of_command
from seq2seq_lab.config.job_command import remembered
from seq2seq_lab.config.overrides import check_overrides
from seq2seq_lab.errors import ConfigError, SweepError, UnsafeError, UserError, one_line

_SHOWING = ("help", "hydra_help", "cfg", "info", "shell_completion")
"""The flags that only show something."""
TRACEBACK_VARIABLE = "SEQ2SEQ_LAB_TRACEBACK"
_PRIVATE_OPTION = re.compile(r"(?<=[ ,])_\w+(, |$)", re.MULTILINE)
Task = Callable[[DictConfig], object]


def launch(
    main: Callable[..., Any],
    conf: Path | None = None,
    *,
    wrap: Callable[[Task], Task] = lambda task: task,
) -> int:
    """Run `main(cfg)` as a Hydra command on conf/train.yaml and return the exit code.

    `main` may be plain or already decorated with `hydra.main`; `wrap` goes around it in every job. Errors are one line
    on stderr; of a sweep, every job runs, a failed one is reported at once, and the exit code is 8. A signal that asks
    to stop is no error of a job: it ends the sweep.
    """
    task, jobs = wrap(inspect.unwrap(main)), _Jobs()

    @functools.wraps(task)
    def job(cfg: DictConfig) -> None:
        jobs.run(task, cfg)

    def run() -> None:
        try:
            with translated():
                _start(job, str(conf or conf_dir()))
        except UserError as error:
            if _wants_traceback() or "traceback=true" in sys.argv:
                errors.print_traceback(error)
            _tell_missing(error)
            raise
        try:
            jobs.raise_failures()
        except UserError as error:
            _tell_missing(error)
            raise

    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises its errors instead of printing them
    try:
        with remembered():
            return errors.run(run)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)


def _start(job: Task, folder: str) -> None:
    """Check the command line, then let Hydra carry it out."""
    words = take_flags(sys.argv[1:])
    arguments = read_flags(get_args_parser(), words)
    is_plain = not any(getattr(arguments, flag) for flag in _SHOWING)
    if not (arguments.hydra_help or arguments.shell_completion):
        with session(folder, arguments) as opened:
            with no_collection():
                check_overrides(opened, [*opened.sweep_parameters, *arguments.overrides])
            if is_plain:
                opened.carry_out(job, arguments.overrides)
                return
    command = hydra.main(version_base="1.3", config_path=folder, config_name="train")(job)
    with _argv(words):  # Hydra reads the command line itself
        if arguments.help:
            _print_help(command)
        else:
            command()


def _tell_missing(error: UserError) -> None:
    """Raise what to install instead of what follows from it: unknown options and classes of a run to be continued."""
    if isinstance(error, ConfigError | UnsafeError):
        missing = missing_of_command(sys.argv[1:])
        if missing:
            raise UnsafeError(f"{missing} ({one_line(error)})") from error


@contextlib.contextmanager
def _argv(words: list[str]) -> Iterator[None]:
    before = sys.argv
    sys.argv = [before[0], *words]
    try:
        yield
    finally:
        sys.argv = before


def _print_help(command: Callable[[], object]) -> None:
    """Print Hydra's help without the options that are parts of others, such as `model: _recurrent`."""
    text = io.StringIO()
    try:
        with contextlib.redirect_stdout(text):
            command()  # Hydra ends it by SystemExit
    finally:
        sys.stdout.write(_PRIVATE_OPTION.sub("", text.getvalue()))


def _wants_traceback() -> bool:
    return os.environ.get(TRACEBACK_VARIABLE, "") not in {"", "0"}


class _Jobs:
    """The jobs of one command in this process, and what failed."""

    def __init__(self) -> None:
        self.process, self.count, self.is_sweep = os.getpid(), 0, False
        self.failures: list[str] = []
        self.first: Exception | None = None

    def run(self, task: Task, cfg: DictConfig) -> None:
        """Carry out one job; its error is stored, reported at once in a sweep, and never reaches Hydra's printer."""
        settings = HydraConfig.get()
        self.count += 1
        self.is_sweep = settings.mode == RunMode.MULTIRUN
        try:
            task(cfg)
        except Exception as error:
            overrides = " ".join(settings.overrides.task)
            self.failures.append(f"{overrides or 'no overrides'}: {one_line(error)}")
            self.first = self.first or error
            wants_traceback = cfg.get("traceback") is True or _wants_traceback()
            if self.is_sweep:
                errors.report(error, with_traceback=wants_traceback)
            elif wants_traceback and isinstance(error, UserError):
                errors.print_traceback(error)
            if (
                os.getpid() != self.process
            ):  # in a launcher's worker only an exception reaches the parent
                raise SweepError(f"{overrides}: {one_line(error)}") from None

    def raise_failures(self) -> None:
        """Raise the error of a single job as it is, or the summary of a sweep."""
        if self.is_sweep and self.failures:
            done = self.count - len(self.failures)
            failed = "; ".join(self.failures)
            raise SweepError(f"{done} of {self.count} runs finished; failed: {failed}")
        if self.first is not None:
            raise self.first
