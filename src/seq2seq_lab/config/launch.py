"""The guard of an entry point: a task as a Hydra command, its mistakes as one line and an exit code."""

import contextlib
import functools
import inspect
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from seq2seq_lab.config import command_line
from seq2seq_lab.config.compose import conf_dir, session
from seq2seq_lab.config.overrides import check_overrides

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
    on stderr; of a sweep, every job runs, a failed one is reported at once, and the exit code is 8.
    """
    task, folder = wrap(inspect.unwrap(main)), str(conf or conf_dir())

    def start(job: Callable[[DictConfig], None], arguments: Any) -> None:
        if arguments is not None:
            with session(folder, arguments) as opened:
                check_overrides(opened, [*opened.sweep_parameters, *arguments.overrides])
        guarded = functools.wraps(task)(job)
        command = hydra.main(version_base="1.3", config_path=folder, config_name="train")(guarded)
        if getattr(arguments, "help", False):
            print_help(command)
        else:
            command()

    def job_state() -> tuple[bool, list[str]]:
        settings = HydraConfig.get()
        return settings.mode == RunMode.MULTIRUN, list(settings.overrides.task)

    return command_line.launch(task, start, job_state, get_args_parser())


def print_help(command: Callable[[], object]) -> None:
    """Print Hydra's help without the options that are parts of others, such as `model: _recurrent`."""
    text = io.StringIO()
    try:
        with contextlib.redirect_stdout(text):
            command()  # Hydra ends it by SystemExit
    finally:
        sys.stdout.write(_PRIVATE_OPTION.sub("", text.getvalue()))
