"""What Hydra's own settings may say: they act before any check of ours, so nothing in them may run or write.

A launcher, a sweeper and the mode of a sweep are free. Folders, environment, callbacks, search path and logging stay
what the primary config says: outputs go to the run folder, and `run_dir=PATH` or `study_dir=PATH` moves that.
"""

import re
from collections.abc import Iterator
from typing import Any

from seq2seq_lab.config.keys import child, walk
from seq2seq_lab.config.problems import Problem
from seq2seq_lab.errors import one_line

_TARGETS = {
    f"{part.lower()}._target_": re.compile(
        rf"hydra(_plugins|\._internal\.core_plugins)\.[\w.]+{part}"
    )
    for part in ("Launcher", "Sweeper")
}
"""The two classes that Hydra builds; it would also build, and so call, whatever `_target_` lies inside one of them."""
_LOG_CLASSES = ("logging.StreamHandler", "colorlog.ColoredFormatter", "rich.logging.RichHandler")
_STREAMS = ("ext://sys.stdout", "ext://sys.stderr")
_EMPTY = ("job.env_set", "job.env_copy", "callbacks", "searchpath", "job.chdir")
"""Nothing may be written here."""
_FOLDERS = {
    "run.dir": "outputs/${now:%Y-%m-%d}/${now:%H-%M-%S}",
    "sweep.dir": "multirun/${now:%Y-%m-%d}/${now:%H-%M-%S}",
    "sweep.subdir": "${hydra.job.num}",
    "output_subdir": ".hydra",
}
"""Only the primary config may set these; else they are Hydra's own."""
_LOGS = ("job_logging", "hydra_logging")
_REFUSED = ", so it was refused"


def setting_problems(settings: dict[str, Any], primary: dict[str, Any]) -> list[Problem]:
    """Return what Hydra's composed settings, unresolved, would run or write that the primary config does not say."""
    verbose = settings.get("verbose", False)
    loggers = verbose if isinstance(verbose, list) else [verbose]
    is_known = isinstance(verbose, bool) or all(isinstance(one, str) for one in loggers)
    is_wrong = not is_known or "${" in str(verbose)
    advice = "expected true, false or the name of a logger"
    return [Problem("hydra.verbose", f"{one_line(verbose)}: {advice}")] * is_wrong + [
        Problem(f"hydra.{path}", text + _REFUSED, is_unsafe=True)
        for path, text in (*_classes(settings), *_fixed(settings, primary), *_logs(settings))
    ]


def _classes(settings: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for path, item in walk(settings):
        allowed = _TARGETS.get(path)
        is_target = path.rpartition(".")[2] == "_target_"
        if is_target and not (allowed and allowed.fullmatch(str(item))):
            yield path, f"{one_line(item)} may not be run by Hydra's settings"


def _fixed(settings: dict[str, Any], primary: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for path in _EMPTY:
        if child(settings, path):
            yield path, "must stay empty"
    own = dict(walk(primary))
    for path, default in _FOLDERS.items():
        value = child(settings, path)
        if value != own.get(path, default):
            yield (
                path,
                f"{one_line(value)} would write elsewhere; use run_dir=PATH or study_dir=PATH",
            )


def _logs(settings: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for log in _LOGS:
        for path, item in walk(settings.get(log), log):
            key, text = path.rpartition(".")[2], one_line(item)
            if key in {"class", "()"} and text not in _LOG_CLASSES:
                yield path, f"{text} may not be run by Hydra's settings"
            elif key == "filename":
                yield path, f"{text} would be written"
            elif "${" in text and not isinstance(item, dict | list):
                yield path, f"{text} is known only when it acts"
            elif "://" in text and not isinstance(item, dict | list) and text not in _STREAMS:
                yield path, f"{text} is no stream of this process"
