"""The runs below a folder, as their small files say: manifest.json, result.json, intervals and config.yaml.

A run is a folder with manifest.json and config.yaml. What is damaged or half-written is a run too, and says what is
wrong with it: nothing that looks like a run is left out.
"""

import functools
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seq2seq_lab.config.extension_facts import require_metrics
from seq2seq_lab.errors import DataError, UserError, one_line
from seq2seq_lab.files import is_held
from seq2seq_lab.stored_text import read_json, read_yaml

DONE, RUNNING, FAILED, UNFINISHED, DAMAGED = "done", "running", "failed", "unfinished", "damaged"

_FILES = ("manifest.json", "config.yaml")
_MARKS = {*_FILES, "result.json", "metrics.csv", "data_report.json", "checkpoints", "hypotheses"}
"""What a run folder holds; two of these make one, complete or not."""
_INSIDE = {"attention", "checkpoints", "exposure_bias", "hypotheses", "tensorboard", "trackio"}
"""Folders of a run in which no other run lies."""


@dataclass(frozen=True)
class ListedRun:
    """A run as a list shows it. `reason` says why it failed, or what is wrong with its files."""

    folder: Path
    state: str
    reason: str = ""
    manifest: dict[str, Any] = field(default_factory=dict)
    result: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    study: str | None = None
    seconds: float | None = None

    @functools.cached_property
    def choices(self) -> dict[str, str]:
        """The options that were chosen by group; none in a run from before they were stored."""
        found = self.manifest.get("choices")
        items = found.items() if isinstance(found, dict) else ()
        return {key: str(option) for key, option in items}

    @functools.cached_property
    def words(self) -> dict[str, str]:
        """The overrides by key, without `+`; of an older run, those of its command line."""
        stored = self.manifest.get("overrides", self.manifest.get("command"))
        texts = [w for w in stored if isinstance(w, str)] if isinstance(stored, list) else []
        pairs = (w.partition("=") for w in texts if "=" in w and not w.startswith("-"))
        return {key.lstrip("+"): value for key, _, value in pairs}

    @functools.cached_property
    def config(self) -> dict[str, Any]:
        """The resolved config; empty if it cannot be read."""
        path = self.folder / "config.yaml"
        try:
            return read_yaml(path, DataError, "") if path.is_file() else {}
        except DataError:
            return {}

    @property
    def model_and_data(self) -> tuple[str, str]:
        """What was trained on what; of a run without stored choices by its name, MODEL_DATA."""
        name = str(self.manifest.get("name", ""))
        model, data = (self.choices.get(g, self.words.get(g, "")) for g in ("model", "data"))
        first, _, last = name.rpartition("_")
        if data and not model:
            model = name.removesuffix(f"_{data}")
        elif model and not data:
            data = name.removeprefix(f"{model}_") if name.startswith(f"{model}_") else ""
        return model or first or name, data or (last if first and not model else "")


def find_runs(root: Path) -> Iterator[ListedRun]:
    """Give every run at or below a folder. Links are not followed, hidden folders and W&B's own not entered."""
    try:
        with os.scandir(root) as found:
            entries = list(found)
        names = {entry.name for entry in entries}
        inner = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False))
    except OSError as error:
        yield ListedRun(root, DAMAGED, f"cannot be read ({error.strerror})")
        return
    is_run = len(names & _MARKS) > 1 and bool(names & {*_FILES, "result.json"})
    if is_run:
        yield read_run(root, names)
    for name in inner:
        if not (name.startswith(".") or name == "wandb" or (is_run and name in _INSIDE)):
            yield from find_runs(root / name)


def read_run(folder: Path, names: set[str] | None = None) -> ListedRun:
    """Read one run; `names` is what its folder holds, if that is known."""
    names = {path.name for path in folder.iterdir()} if names is None else names
    wrong = [f"no {name}" for name in _FILES if name not in names]
    read = functools.partial(_read, folder, wrong)
    manifest = read("manifest.json") if "manifest.json" in names else {}
    result = read("result.json") if "result.json" in names else {}
    done = read("done.json") if "done.json" in names and "seconds" not in manifest else {}
    has_intervals = (folder / "hypotheses" / "intervals.json").is_file()
    intervals = read("hypotheses/intervals.json") if has_intervals else {}
    numbers = {key: float(value) for key, value in result.items() if _is_number(value)}
    failure = manifest.get("failure")
    state, reason = DONE if "result.json" in names else UNFINISHED, ""
    if ".lock" in names and is_held(folder / ".lock"):
        state = RUNNING
    elif wrong:
        state, reason = DAMAGED, "; ".join(wrong)
    elif state == UNFINISHED and isinstance(failure, str):
        state, reason = FAILED, one_line(failure)
    seconds: Any = manifest.get("seconds", done.get("seconds"))
    return ListedRun(
        folder, state, reason, manifest, numbers, _pairs(intervals), _study_of(folder),
        float(seconds) if _is_number(seconds) else None,
    )  # fmt: skip


def _read(folder: Path, wrong: list[str], name: str) -> dict[str, Any]:
    path = folder / name
    try:
        if path.is_file():  # a pipe has no end
            return read_json(path, DataError, "")
        wrong.append(f"{name}: not a file")
    except DataError as error:
        text = str(error).removeprefix(f"{path}: ").rstrip("; ")
        wrong.append(f"{name}: {one_line(text)}")
    return {}


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _pairs(stored: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Return the intervals by `<split>/<metric>`; what is none is left out."""
    return {
        f"{split}/{name}": (float(ends[0]), float(ends[1]))
        for split, rows in stored.items()
        if isinstance(rows, dict)
        for name, ends in rows.items()
        if isinstance(ends, list) and len(ends) == 2 and all(map(_is_number, ends))
    }


def let_metrics_count(runs: Iterable[ListedRun]) -> str | None:
    """Let the metrics that extensions of these runs brought be judged; return what is missing for that."""
    facts = [(run.manifest.get("extensions"), run.folder) for run in runs]
    try:
        require_metrics(one for one in facts if one[0])
    except UserError as error:
        return str(error)
    return None


def _study_of(folder: Path) -> str | None:
    """Return the name of the study that a run belongs to, by its place."""
    place = folder.absolute().parent
    return _study_name(place.parent) if place.name == "runs" else None


@functools.cache
def _study_name(place: Path) -> str | None:
    try:
        name = read_json(place / "study.json", DataError, "").get("name")
    except DataError:
        return place.name if (place / "study.json").exists() else None
    return name if isinstance(name, str) else place.name
