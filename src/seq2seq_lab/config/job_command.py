"""The command line of a job: what resumes it, and what starts the other processes of its run."""

import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from seq2seq_lab.config.command_line import quoted
from seq2seq_lab.config.newer_argparse import hydra_flags
from seq2seq_lab.config.search_path import is_search_path
from seq2seq_lab.config.typed_command import command_of_process

_PLACE = re.compile(r"(\+\+?)?(resume|run_dir)=")
_PLAIN = re.compile(r"[\w./@%+-]+")
SAFE_PATH = ("-P",)
"""The option by which an interpreter imports nothing from the working folder, as the installed program does not."""
_INSTALLED = "seq2seq-lab"
"""The name of the installed program."""


def run_command(flags: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """Return the command line of a run in a process of its own, wherever this package is installed."""
    return [sys.executable, *SAFE_PATH, "-m", "seq2seq_lab", "train", *flags, *overrides]


def job_command() -> list[str]:
    """Return the command line of this job alone; that of a job in a sweep has the overrides that the sweep chose."""
    command, settings = command_of_process(), HydraConfig.get()
    arguments = command.arguments
    if settings.mode == RunMode.MULTIRUN:
        arguments = [*_places(arguments), *settings.overrides.task, "hydra.mode=RUN"]
    return [*command.program, *command.flags, *arguments]


def _places(arguments: list[str]) -> list[str]:
    """Return what of a command line says where config files lie: a job alone needs it as well."""
    given, _ = hydra_flags().parse_known_args(arguments)
    flags = {"--config-name": given.config_name, "--config-dir": given.config_dir}
    kept = [f"{flag}={value}" for flag, value in flags.items() if value is not None]
    return [*kept, *filter(is_search_path, given.overrides)]


def resume_command(run_dir: Path, study: str | None = None) -> str:
    """Return the command line that resumes this run; in a study, it is that of the study."""
    command = command_of_process()
    if study is not None and HydraConfig.get().mode == RunMode.MULTIRUN:
        words = [*_without_place(command.arguments, "resume"), "resume=auto"]
        return shlex.join([*_shown(command.program), *command.flags, *words])
    value = str(run_dir) if _PLAIN.fullmatch(str(run_dir)) else quoted(str(run_dir))
    words = _without_place(job_command()[len(command.program) :])
    return shlex.join([*_shown(command.program), *words, "resume=auto", f"run_dir={value}"])


def _shown(program: list[str]) -> list[str]:
    """Return a program as people type it: the installed one by its name, without the interpreter."""
    if len(program) < 2 or Path(program[1]).stem != _INSTALLED:
        return program
    found, script = shutil.which(_INSTALLED), Path(program[1])
    is_on_path = found is not None and script.exists() and script.samefile(found)
    return [_INSTALLED if is_on_path else program[1], *program[2:]]


def _without_place(words: list[str], *keys: str) -> list[str]:
    """Leave out the overrides that say where the run lies and what it starts from."""
    found = [(word, _PLACE.match(word)) for word in words]
    return [word for word, match in found if not match or (keys and match[2] not in keys)]
