"""The run folder: its name, its lock, its manifest and its results; every later tool reads these files."""

import contextlib
import datetime
import hashlib
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seq2seq_lab.config.keys import computing
from seq2seq_lab.config.typed_command import command_of_process
from seq2seq_lab.errors import ConfigError, ResourceError, printable
from seq2seq_lab.files import locked, write_json, write_text
from seq2seq_lab.training.manifest import code_facts, new_manifest, read_manifest

_FOLDERS = ("hypotheses", "attention", "checkpoints")
_ENDING = ("finished", "seconds", "failure")
"""What a manifest says of how the run ended."""
_LONGEST_NAME = 200
"""In bytes; file systems take 255, and the files inside have names too."""

FIRST_PROCESS_FOLDER = "SEQ2SEQ_LAB_RUN_FOLDER"
"""The environment variable by which the first process of a distributed run gives its folder to the others."""


def is_first_process() -> bool:
    """Return whether this process writes the files: of a distributed run only the first does."""
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"


def config_hash(config: dict[str, Any]) -> str:
    """Return 8 hex digits that name a resolved config, wherever the run lies."""
    text = json.dumps(computing(config), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@contextlib.contextmanager
def open_run_folder(config: dict[str, Any]) -> Iterator[Path]:
    """Give the folder of a new or resumed run, locked against a second process as long as it is entered."""
    if not is_first_process():
        yield Path(os.environ.get(FIRST_PROCESS_FOLDER) or config["run_dir"])
        return
    folder = make_run_folder(config)
    with locked(folder / ".lock", "wait for it, or choose another run_dir=PATH"):
        if config["resume"] is None:
            _refuse_a_run_in(folder)  # another process was faster
        os.environ[FIRST_PROCESS_FOLDER] = str(folder.resolve())
        try:
            yield folder
        finally:
            del os.environ[FIRST_PROCESS_FOLDER]


def make_run_folder(config: dict[str, Any]) -> Path:
    """Create and return the folder of a new run, or return that of a resumed one.

    A folder that holds a run already is refused unless it is resumed.
    """
    resume = config.get("resume")
    check_run_folder(config["run_dir"], config["name"], resume)
    try:
        if resume not in (None, "auto"):
            return _folder_of(Path(resume))
        if config["run_dir"]:
            return _claim_named(Path(config["run_dir"]))
        now = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        return _claim_new(Path("outputs") / config["name"] / f"{now}_{config_hash(config)}")
    except OSError as error:
        raise ResourceError(
            f"run_dir: cannot create a folder ({error.strerror}: {error.filename}); choose another run_dir=PATH"
        ) from error


def check_run_folder(run_dir: str | None, name: str | None, resume: str | None = None) -> None:
    """Refuse, before anything is read, a folder that cannot become the folder of this run.

    `run_dir` is the user's choice and may lie anywhere; a folder made from `name` stays inside outputs/.
    """
    if not is_first_process():
        _check_later_process(run_dir)
        return
    if resume is not None:
        _check_resume(resume, run_dir)
    key, text = ("run_dir", run_dir) if run_dir else ("name", name or "")
    shown = f"{key}={text[:60]}{'...' * (len(text) > 60)}"
    parts = Path(text).parts
    if not parts:
        raise ConfigError(f"{shown}: empty, so no folder can be named after it; give run_dir=PATH")
    if printable(text) != text or "\n" in text or "\t" in text:
        raise ConfigError(
            f"{shown}: control characters are not allowed in a folder name; leave them out"
        )
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in parts):
        raise ConfigError(
            f"{shown}: a folder name of over {_LONGEST_NAME} bytes; choose a shorter one"
        )
    if not run_dir:
        if Path(text).is_absolute() or ".." in parts:
            raise ConfigError(f"{shown}: would leave outputs/; to write elsewhere use run_dir=PATH")
        return
    path = Path(run_dir)
    if path.exists() and not path.is_dir():
        raise ConfigError(f"run_dir={path}: is a file; choose a folder")
    if resume is None:
        _refuse_a_run_in(path)


def _check_later_process(run_dir: str | None) -> None:
    if not (run_dir or os.environ.get(FIRST_PROCESS_FOLDER)):
        raise ConfigError(
            "run_dir: processes that were not started by the run's first one need it; give run_dir=PATH"
        )


def _check_resume(resume: str, run_dir: str | None) -> None:
    if resume == "auto":
        if not run_dir:
            raise ConfigError("resume=auto: continues a run in its folder; give it as run_dir=PATH")
        return
    path = Path(resume)
    if not path.is_file():
        raise ConfigError(
            f"resume={path}: no such checkpoint; give the file, or resume=auto run_dir=PATH"
        )
    folder = _folder_of(path)
    if not (folder / "config.yaml").is_file():
        raise ConfigError(
            f"resume={path}: does not lie in the checkpoints/ of a run folder; put it back there"
        )
    if run_dir and Path(run_dir).resolve() != folder.resolve():
        raise ConfigError(
            f"run_dir={run_dir}: not the folder of resume={path}; leave run_dir out, the run continues in {folder}"
        )


def _folder_of(checkpoint: Path) -> Path:
    return checkpoint.parent.parent


def _refuse_a_run_in(path: Path) -> None:
    if (path / "config.yaml").exists():
        raise ConfigError(
            f"run_dir={path}: holds a run already; continue it by resume=auto, or choose another folder"
        )


def _claim_named(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _claim_new(path: Path) -> Path:
    """Create the folder, or `path-2`, `path-3` ... when others started in the same second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for number in range(1, 1000):
        candidate = path if number == 1 else path.with_name(f"{path.name}-{number}")
        try:
            candidate.mkdir()
        except FileExistsError:
            continue
        return candidate
    raise ConfigError(f"{path}: a thousand runs started in this second; set run_dir=PATH")


def write_start(
    run_dir: Path,
    config: dict[str, Any],
    config_text: str,
    data: dict[str, Any],
    resumed_from: Path | None = None,
    job: dict[str, Any] | None = None,
) -> None:
    """Store config, data report and manifest before training starts; the manifest counts every resumption.

    `job` holds more facts for the manifest: what Hydra chose, and the `pack` that the run is part of.
    """
    if not is_first_process():
        return
    if resumed_from is None:
        (run_dir / "metrics.csv").unlink(missing_ok=True)  # of a run that saved nothing
    for name in _FOLDERS:
        (run_dir / name).mkdir(exist_ok=True)
    write_text(run_dir / "config.yaml", config_text)
    write_json(run_dir / "data_report.json", data)
    now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    manifest = None if resumed_from is None else read_manifest(run_dir / "manifest.json")
    if manifest is None:
        manifest = new_manifest(config, data, now)
        manifest |= {"config_hash": config_hash(config), **(job or {})}
    if resumed_from is not None:
        this = {"time": now, "from": resumed_from.name, "command": command_of_process().words()}
        before = {"seconds": round(_seconds_until(resumed_from, manifest), 3)}
        together = {key: value for key, value in (job or {}).items() if key == "pack"}
        manifest["resumed"] = [
            *manifest.get("resumed", []), {**this, **before, **code_facts(config), **together}
        ]  # fmt: skip
        for key in _ENDING:
            manifest.pop(key, None)
    write_json(run_dir / "manifest.json", manifest)


def _seconds_until(checkpoint: Path, manifest: dict[str, Any]) -> float:
    """Return how long the sessions of a run took until this checkpoint of the last one was written."""
    sessions = [{"time": manifest.get("started")}, *manifest.get("resumed", [])]
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):  # edited by hand
        began = datetime.datetime.fromisoformat(sessions[-1]["time"]).timestamp()
        in_last = max(checkpoint.stat().st_mtime - began, 0.0)  # 0: it saved nothing
        return float(sessions[-1].get("seconds", 0.0)) + in_last
    return 0.0


def add_to_manifest(run_dir: Path, facts: dict[str, Any]) -> None:
    """Store more facts of a run, such as where its W&B run can be seen."""
    if not is_first_process():
        return
    manifest = read_manifest(run_dir / "manifest.json")
    if manifest is not None:
        write_json(run_dir / "manifest.json", manifest | facts)


def write_result(run_dir: Path, numbers: dict[str, float]) -> None:
    """Store the final numbers: flat names to finite numbers, sorted. A number that is not finite is null."""
    if not is_first_process():
        return
    clean = {k: v if math.isfinite(v) else None for k, v in sorted(numbers.items())}
    write_json(run_dir / "result.json", clean)
