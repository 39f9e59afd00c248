"""The guard of an entry point: a task as a Hydra command, its mistakes as one line and an exit code."""

import contextlib
import functools
import inspect
import io
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from seq2seq_lab import errors
from seq2seq_lab.config.collection import no_collection
from seq2seq_lab.config.command_line import SHOWING, read_flags, translated, with_resume
from seq2seq_lab.config.compose import conf_dir, session
from seq2seq_lab.config.extension_facts import missing_of_command
from seq2seq_lab.config.newer_argparse import hydra_flags
from seq2seq_lab.config.overrides import check_overrides
from seq2seq_lab.config.search_path import take_folders
from seq2seq_lab.config.typed_command import remembered
from seq2seq_lab.errors import ConfigError, SweepError, UnsafeError, UserError, one_line

TRACEBACK_VARIABLE = "SEQ2SEQ_LAB_TRACEBACK"
_PRIVATE_OPTION = re.compile(r"(?<=[ ,])_\w+(, |$)", re.MULTILINE)
_ENUMERATING = (
    "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
    "hydra_plugins.seq2seq_lab_study.StudySweeper",
)
"""Sweepers that run a list of jobs and look at no value: with these a failed job stops nothing."""
Task = Callable[[DictConfig], object]


def launch(
    main: Callable[..., Any],
    conf: Path | None = None,
    *,
    wrap: Callable[[Task], Task] = lambda task: task,
) -> int:
    """Run `main(cfg)` as a Hydra command on conf/train.yaml and return the exit code.

    `main` may be plain or already decorated with `hydra.main`; `wrap` goes around it in every job. What `main` returns
    is the job's `return_value`, by which a sweeper that searches judges it. Errors are one line on stderr; of a sweep,
    every job runs, a failed one is reported at once, and the exit code is 8; a sweeper that searches finds it as a
    failed job and decides for itself. A signal that asks to stop is no error of a job: it ends the sweep.
    """
    task, jobs = wrap(inspect.unwrap(main)), _Jobs()

    @functools.wraps(task)
    def job(cfg: DictConfig) -> object:
        return jobs.run(task, cfg)

    def run() -> None:
        try:
            with translated():
                _start(job, str(conf or conf_dir()))
        except UserError as error:
            if _wants_traceback() or "traceback=true" in sys.argv:
                errors.print_traceback(error)
            _tell_missing(error)
            if not (isinstance(error, SweepError) and jobs.failures):
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
    flags = hydra_flags()
    words = with_resume(sys.argv[1:])
    for typed, meant in zip(sys.argv[1:], words, strict=True):
        if typed != meant:
            text = f"hint: {typed} is taken as {meant}; ckpt_path is called resume here"
            print(one_line(text), file=sys.stderr)  # noqa: T201
    sys.argv[1:] = words
    arguments = read_flags(flags, words)
    further, arguments.overrides = take_folders(arguments.overrides, arguments.config_dir)
    is_plain = not any(getattr(arguments, flag) for flag in SHOWING)
    if not (arguments.hydra_help or arguments.shell_completion):
        with session(folder, arguments, further) as opened:
            if arguments.overrides or not arguments.help:
                with no_collection():
                    check_overrides(opened, [*opened.sweep_parameters, *arguments.overrides])
            if is_plain:
                opened.carry_out(job, arguments.overrides)
                return
            if arguments.help:
                _print_help(lambda: opened.app.app_help(opened.config_name, flags, arguments))
                return
            if arguments.cfg:
                what = (arguments.overrides, arguments.cfg, arguments.package, arguments.resolve)
                opened.app.show_cfg(opened.config_name, *what)
                return
    hydra.main(version_base="1.3", config_path=folder, config_name="train")(job)()


def _tell_missing(error: UserError) -> None:
    """Raise what to install instead of what follows from it: unknown options and classes of a run to be continued."""
    if isinstance(error, ConfigError | UnsafeError):
        missing = missing_of_command(sys.argv[1:])
        if missing:
            raise UnsafeError(f"{missing} ({one_line(error)})") from error


def _print_help(show: Callable[[], object]) -> None:
    """Print Hydra's help without the options that are parts of others, such as `model: _recurrent`."""
    text = io.StringIO()
    try:
        with contextlib.redirect_stdout(text):
            show()
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

    def run(self, task: Task, cfg: DictConfig) -> object:
        """Carry out one job and return its value; its error is stored, and in a sweep reported at once.

        The error is not raised where Hydra would print it. Raises `SweepError` for a sweeper that asks for values, and
        in a launcher's worker, whose parent learns of it by nothing else.
        """
        settings = HydraConfig.get()
        self.count += 1
        self.is_sweep = settings.mode == RunMode.MULTIRUN
        try:
            return task(cfg)
        except Exception as error:
            overrides = " ".join(settings.overrides.task)
            self.failures.append(f"{overrides or 'no overrides'}: {one_line(error)}")
            self.first = self.first or error
            wants_traceback = cfg.get("traceback") is True or _wants_traceback()
            if self.is_sweep:
                errors.report(error, with_traceback=wants_traceback)
            elif wants_traceback and isinstance(error, UserError):
                errors.print_traceback(error)
            searches = self.is_sweep and settings.sweeper._target_ not in _ENUMERATING
            if searches or os.getpid() != self.process:
                raise SweepError(f"{overrides}: {one_line(error)}") from None
            return None

    def raise_failures(self) -> None:
        """Raise the error of a single job as it is, or the summary of a sweep."""
        if self.is_sweep and self.failures:
            done = self.count - len(self.failures)
            failed = "; ".join(self.failures)
            raise SweepError(f"{done} of {self.count} runs finished; failed: {failed}")
        if self.first is not None:
            raise self.first
