"""Carries out one run of a study: in a clean folder, in one process at a time, done only when its files verify."""

import contextlib
import gc
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seq2seq_lab import errors
from seq2seq_lab.errors import CheckpointError, ConfigError, StoppedError, one_line
from seq2seq_lab.files import held, sha256_of, write_json
from seq2seq_lab.stored_text import parse_json, read_json
from seq2seq_lab.study import ledger
from seq2seq_lab.study.content_hash import content_hash
from seq2seq_lab.study.matrix import lock_of

ENDED = "its process ended"
"""Why a run was interrupted that was killed."""

FOUND = "found finished"
"""Why a run is done whose process was killed before it said so."""


def recorded_files(folder: Path) -> list[str]:
    """Return the files of a run from which its numbers can be computed again, relative to the folder."""
    hypotheses = sorted((folder / "hypotheses").glob("*"))
    return ["config.yaml", "result.json", *(f"hypotheses/{p.name}" for p in hypotheses)]


def write_done(folder: Path, digest: str, seconds: float) -> None:
    """Write done.json, the last file of a run: its content hash and the SHA-256 of its recorded files."""
    sums = {name: sha256_of(folder / name) for name in recorded_files(folder)}
    write_json(
        folder / "done.json",
        {"content_hash": digest, "seconds": round(seconds, 3), "sha256": sums},
    )


def read_done(folder: Path, digest: str) -> dict[str, Any] | None:
    """Return done.json if it has this content hash and every recorded file is as it was written; else None."""
    try:
        done = parse_json((folder / "done.json").read_text(encoding="utf-8"))
        is_whole = {"config.yaml", "result.json"} <= set(done["sha256"]) and all(
            _is_inside(folder, name) and sha256_of(folder / name) == found
            for name, found in done["sha256"].items()
        )
        if not isinstance(done.get("seconds"), float | int | None):
            return None
        return done if is_whole and done["content_hash"] == digest else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _is_inside(folder: Path, name: str) -> bool:
    """Tell whether a recorded name is a file of the folder: no device, which has no end, and nothing elsewhere."""
    return (
        ".." not in Path(name).parts and not Path(name).is_absolute() and (folder / name).is_file()
    )


def monitored_value(folder: Path, monitor: str) -> float | None:
    """Return what a finished run reached in the metric by which it is judged; None if it did not measure it."""
    value: Any = read_json(folder / "result.json", CheckpointError, "delete the run's folder")
    found = value.get(monitor)
    return float(found) if type(found) in (int, float) else None


def run_once(
    config: dict[str, Any],
    task: Callable[[], object],
    refresh: Callable[[Path], object],
    *,
    with_log: bool = False,
    patience: float = 3.0,
) -> float | None:
    """Carry out the run whose folder is the config's `run_dir`, unless it is done or another process runs it.

    Files of an interrupted run are deleted first, unless `resume=auto` continues from its newest checkpoint.

    A failure is printed, recorded with its reason and not raised: the other runs go on. An interrupt is recorded and
    ends the process with the exit code 130 or 143. `with_log` sends what the run prints to its log.txt. `refresh` is
    called with the study's folder once the run has ended: it draws the report again. `patience` are the seconds to wait
    for the run's lock: a worker that was just killed may not be gone yet. Returns the run's validation value
    of `data.monitor`, whether it ran now or before; None if it is not done.
    """
    folder = Path(config["run_dir"])
    book = folder.parent.parent / "ledger.jsonl"
    digest = content_hash(config)
    is_done = False
    with held(lock_of(folder), patience) as is_ours:
        events = ledger.read(book)
        attempts = ledger.attempts(events)[folder.name]
        newest = ledger.last(events).get(folder.name)
        has_no_end = newest is not None and newest.event == "started"
        if not is_ours:
            reason = "another process runs it"
            ledger.append(book, "skipped", folder.name, attempts, digest, reason)
        elif read_done(folder, digest) is not None:
            event: ledger.Kind
            event, reason = ("done", FOUND) if has_no_end else ("skipped", "done already")
            ledger.append(book, event, folder.name, attempts, digest, reason)
            is_done = True
        else:
            if has_no_end:
                ledger.append(book, "interrupted", folder.name, attempts, digest, ENDED)
            attempt = _Attempt(folder, book, digest, attempts + 1, config.get("resume") == "auto")
            is_done = attempt.carry_out(
                task, with_log=with_log, with_traceback=config.get("traceback") is True
            )
            refresh(folder.parent.parent)
    gc.collect()
    return monitored_value(folder, config["data"]["monitor"]) if is_done else None


@dataclass
class _Attempt:
    """One start of a run, written to the ledger."""

    folder: Path
    book: Path
    digest: str
    number: int
    resumes: bool
    began: float = field(default_factory=time.monotonic)

    def note(self, event: ledger.Kind, reason: str | None = None) -> None:
        seconds = None if event == "started" else time.monotonic() - self.began
        ledger.append(self.book, event, self.folder.name, self.number, self.digest, reason, seconds)

    def carry_out(
        self, task: Callable[[], object], *, with_log: bool, with_traceback: bool
    ) -> bool:
        """Run the task in a clean folder, write how it ended and return whether it is done."""
        self.note("started")
        try:
            if not self.folder.name.endswith(self.digest[:8]):
                raise ConfigError(
                    "code, data or libraries changed after the study was planned, or are others on this machine; "
                    "make them equal and run the same command again"
                )
            if self.folder.exists() and not self.resumes:
                shutil.rmtree(self.folder)
            with _output_to(self.folder / "log.txt" if with_log else None):
                task()
            write_done(self.folder, self.digest, time.monotonic() - self.began)
            self.note("done")
            if with_log:
                seconds = time.monotonic() - self.began
                print(one_line(f"done: {self.folder.name}, {seconds:.0f} s"), file=sys.stderr)  # noqa: T201
            return True
        except (KeyboardInterrupt, SystemExit, StoppedError) as error:
            with contextlib.suppress(errors.ResourceError):
                self.note("interrupted", one_line(error) or type(error).__name__)
            raise
        except Exception as error:
            print(one_line(f"run {self.folder.name}:"), file=sys.stderr)  # noqa: T201
            errors.report(error, with_traceback=with_traceback)
            self.note("failed", f"{type(error).__name__}: {one_line(error)}")
            return False


@contextlib.contextmanager
def _output_to(path: Path | None) -> Iterator[None]:
    """Send what is printed to a file: the lines of runs side by side would mix."""
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        path.open("w", encoding="utf-8", buffering=1) as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        yield
