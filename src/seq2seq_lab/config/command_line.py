"""Mistakes on the command line and in YAML files, told as one line; and the guard around a command's jobs.

Imports no Hydra: `config.py` hands in its objects.
"""

import os
import re
import sys
import traceback
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from seq2seq_lab import errors
from seq2seq_lab.config.signature import closest
from seq2seq_lab.errors import (
    ConfigError,
    StoppedError,
    SweepError,
    UnsafeError,
    UserError,
    one_line,
)

TRACEBACK_VARIABLE = "SEQ2SEQ_LAB_TRACEBACK"
_NOISE = re.compile(
    r"\n\s*(full_key:|object_type=|See https|Config search path|Search path:|To append to).*", re.S
)


@contextmanager
def translated() -> Iterator[None]:
    """Turn the errors of Hydra, OmegaConf and the YAML reader into our one-line errors."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        translation = translate(error)
        if translation is None:
            raise
        raise translation from error


def translate(error: BaseException) -> UserError | None:
    """Return the one-line error that stands for an error of Hydra's composition; None for any other error."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        problem = one_line(getattr(error, "problem", "") or "cannot be read")
        text = f"{mark.name}:{mark.line + 1}: broken YAML: {problem}"
        return UnsafeError(text) if "tag:yaml.org,2002:python" in problem else ConfigError(text)
    if isinstance(error, UnicodeDecodeError):
        return ConfigError(f"a YAML file of the config is not UTF-8: {one_line(error)}")
    if (
        type(error).__module__.split(".")[0] not in {"hydra", "omegaconf"}
        and type(error) is not ValueError
    ):
        return None
    inner = error.__cause__
    text = str(error)
    if inner is not None and type(inner).__module__.startswith("omegaconf"):
        text = f"{text}: {inner}" if text else str(inner)
    return ConfigError(_one_line_of_hydra(text))


def _one_line_of_hydra(text: str) -> str:
    """Shorten Hydra's message; an unknown option in a YAML file gets a did-you-mean."""
    found = re.search(r"(?:In '(.+?)': )?Could not find '(.+)/(.+?)'", text)
    if found:
        options = re.findall(r"^\t(\S+)$", text.split("Config search path")[0], re.M)
        place = f"{found[1]}: " if found[1] else ""
        available = f"; available: {', '.join(options)}" if options else ""
        return f"{place}{found[2]}={found[3]}: no such option{closest(found[3], options)}{available}".replace(
            "?; ", "? "
        )
    unused = re.search(r"Could not override '((.+)/.+?)'\.\s+No match in the defaults list", text)
    if unused:
        whole = unused[2]
        return f"{unused[1]}: the chosen {whole} has no such part; leave it out or choose another {whole}"
    short = _NOISE.sub("", text)
    return re.sub(r"\s+", " ", one_line(short)).replace(" :", ":")


def quoted(text: str) -> str:
    """Return a text as the value of an override, whatever characters it holds."""
    inner = re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), text)
    return f"'{inner}'"


def read_flags(parser: ArgumentParser, argv: list[str]) -> Namespace:
    """Parse Hydra's flags; a wrong one is a one-line error."""
    flags = [option for action in parser._actions for option in action.option_strings]

    def fail(message: str) -> NoReturn:
        unknown = re.search(r"unrecognized arguments: (\S+)", message)
        guess = closest(unknown[1].split("=")[0], flags) if unknown else ""
        if unknown and "=" in unknown[1] and not unknown[1].startswith("-"):
            guess = "; write all flags first, then KEY=VALUE"
        raise ConfigError(one_line(message) + (guess or "; see --help"))

    parser.error = fail  # type: ignore[method-assign]
    arguments = parser.parse_args(argv)
    commands = [
        n for n in ("run", "multirun", "cfg", "info", "shell_completion") if getattr(arguments, n)
    ]
    if len(commands) > 1:
        raise ConfigError(
            f"only one of the flags {', '.join('--' + n for n in commands)} can be given"
        )
    if arguments.experimental_rerun is not None:
        raise UnsafeError(
            "--experimental-rerun would unpickle a file, which can run foreign code; run by overrides"
        )
    return arguments


class Parser(ArgumentParser):
    """A command's own flags; a wrong one is a one-line error too."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise ConfigError(f"{one_line(message)}; see --help")


class _Jobs:
    """What happened to the jobs of one command, in this process."""

    def __init__(self) -> None:
        self.process, self.count, self.is_sweep = os.getpid(), 0, False
        self.failures: list[tuple[list[str], Exception]] = []

    def guard(
        self, task: Callable[..., Any], job_state: Callable[[], tuple[bool, list[str]]]
    ) -> Any:
        """Wrap a job: its error is kept (and told at once in a sweep) and never reaches Hydra's printer."""

        def job(cfg: Any) -> None:
            self.count += 1
            self.is_sweep, overrides = job_state()
            try:
                task(cfg)
            except Exception as error:
                self.failures.append((overrides, error))
                wants_traceback = cfg.get("traceback") is True or _wants_traceback()
                if self.is_sweep:
                    errors.report(error, with_traceback=wants_traceback)
                elif wants_traceback and isinstance(error, UserError):
                    traceback.print_exception(error, file=sys.stderr)
                if self.is_sweep and isinstance(error, StoppedError):
                    raise SystemExit(error.exit_code) from None  # asked to stop: no next job
                if (
                    os.getpid() != self.process
                ):  # a launcher's worker: only an exception reaches the parent
                    raise SweepError(f"{' '.join(overrides)}: {one_line(error)}") from None

        return job

    def raise_failures(self) -> None:
        """Raise the error of a single job as it is, or the summary of a sweep."""
        if self.is_sweep and self.failures:
            told = "; ".join(
                f"{' '.join(o) or 'no overrides'}: {one_line(e)}" for o, e in self.failures
            )
            done = self.count - len(self.failures)
            raise SweepError(f"{done} of {self.count} runs finished; failed: {told}")
        if self.failures:
            raise self.failures[0][1]


def _wants_traceback() -> bool:
    return os.environ.get(TRACEBACK_VARIABLE, "") not in {"", "0"}


def launch(
    task: Callable[..., Any],
    start: Callable[[Any, Namespace | None], None],
    job_state: Callable[[], tuple[bool, list[str]]],
    parser: ArgumentParser,
) -> int:
    """Check the command line, start Hydra with a guarded job, and return the exit code."""
    jobs = _Jobs()

    def run() -> None:
        try:
            with translated():
                arguments = read_flags(parser, sys.argv[1:])
                is_plain = not (arguments.hydra_help or arguments.shell_completion)
                start(jobs.guard(task, job_state), arguments if is_plain else None)
        except UserError as error:
            if _wants_traceback() or "traceback=true" in sys.argv:
                traceback.print_exception(error, file=sys.stderr)
            raise
        jobs.raise_failures()

    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing
    try:
        return errors.run(run)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        os.environ.pop("HYDRA_FULL_ERROR")
        if before is not None:
            os.environ["HYDRA_FULL_ERROR"] = before
