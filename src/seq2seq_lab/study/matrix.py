"""The plan of a study: factors x seeds, each combination a run with a folder of its own under <study_dir>/runs/."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.files import write_json
from seq2seq_lab.stored_text import read_json

SEED_KEY = "seed"
ROOT = Path("outputs") / "studies"
"""Where studies lie unless `study_dir` says otherwise."""

_LONGEST_LABEL = 120


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study: the values of its factors, its seed and its content hash."""

    name: str
    arm: str
    factors: dict[str, str]
    seed: int
    overrides: tuple[str, ...]
    content_hash: str


@dataclass(frozen=True)
class Study:
    """The plan of a study. `factors` maps an override key to its values, as text, in the order declared.

    `prediction` is what the study is expected to show (report/prediction.py), as its config says it; null if nothing.
    """

    name: str
    factors: dict[str, tuple[str, ...]]
    seeds: tuple[int, ...]
    fixed: tuple[str, ...]
    metric: str
    runs: tuple[PlannedRun, ...]
    place: Path = ROOT
    prediction: dict[str, Any] | None = None

    def folder(self, run: PlannedRun) -> Path:
        """Return the folder of a run."""
        return self.place / "runs" / run.name

    @property
    def ledger(self) -> Path:
        """The file that records what happened to the runs."""
        return self.place / "ledger.jsonl"

    def lock(self, run: PlannedRun) -> Path:
        """Return the lock that a process holds during the run."""
        return lock_of(self.folder(run))

    def save(self) -> None:
        """Write study.json."""
        self.place.mkdir(parents=True, exist_ok=True)
        runs = [{"run": run.name, **dataclasses.asdict(run)} for run in self.runs]
        for run in runs:
            del run["name"]
        content = {
            "name": self.name,
            "factors": self.factors,
            "seed_key": SEED_KEY,
            "seeds": self.seeds,
            "fixed": self.fixed,
            "metric": self.metric,
            "prediction": self.prediction,
            "runs": runs,
        }
        write_json(self.place / "study.json", content)

    @classmethod
    def load(cls, study_dir: Path) -> "Study":
        """Read study.json; raises `ConfigError` if the folder holds no study."""
        path = Path(study_dir) / "study.json"
        if not path.exists():
            raise ConfigError(
                f"{study_dir}: no study there; give the folder that holds study.json, or a name under {ROOT}"
            )
        wrong = "not the plan of a study; run the study's command again"
        content = read_json(path, ConfigError, wrong)
        try:
            runs = tuple(_planned(run) for run in content["runs"])
            return cls(
                _text(content["name"]),
                {_text(key): _texts(values) for key, values in content["factors"].items()},
                tuple(map(_whole, content["seeds"])),
                _texts(content["fixed"]),
                _text(content["metric"]),
                runs,
                Path(study_dir),
                _mapping(content.get("prediction")),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"{path}: {wrong}") from error


def _planned(run: dict[str, Any]) -> PlannedRun:
    name = _text(run["run"])
    if Path(name).name != name:
        raise ValueError(f"{name}: not the name of a folder")
    return PlannedRun(
        name,
        _text(run["arm"]),
        {_text(key): _text(value) for key, value in run["factors"].items()},
        _whole(run["seed"]),
        _texts(run["overrides"]),
        _text(run["content_hash"]),
    )


def _mapping(value: Any) -> dict[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        raise TypeError(f"{value!r} is no mapping")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError(f"{values!r} is no list")
    return tuple(map(_text, values))


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is no whole number")
    return value


def lock_of(folder: Path) -> Path:
    """Return the lock of a run's folder: <study_dir>/locks/<run>.lock, outside the folder that a new start deletes."""
    return folder.parent.parent / "locks" / f"{folder.name}.lock"


def find_study(text: str) -> Path:
    """Return the folder of a study given by its folder or by its name; a file, as of a stored study, as it is."""
    place = Path(text)
    return place if place.is_file() or (place / "study.json").exists() else ROOT / text


def study_place(name: str, study_dir: str | None) -> Path:
    """Return the absolute folder of a study; raises `ConfigError` for a name that is no folder name."""
    if not re.fullmatch(r"[\w.-]{1,100}", name) or name.startswith("."):
        raise ConfigError(
            f"study={name[:60]}: a name is made of letters, digits, '_', '-' and '.'; to write elsewhere use "
            "study_dir=PATH"
        )
    return Path(study_dir or ROOT / name).absolute()


def swept(jobs: Sequence[Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the override keys that differ between the jobs of a sweep, with their values in order."""
    values: dict[str, dict[str, None]] = {}
    for job in jobs:
        for override in job:
            key, _, value = override.partition("=")
            values.setdefault(key, {})[value] = None
    return {key: tuple(found) for key, found in values.items() if len(found) > 1}


def arm_label(factors: dict[str, str]) -> str:
    """Return the name of an arm: its factor values, each with the last part of its key."""
    parts = [f"{re.split(r'[./]', key)[-1]}={value}" for key, value in factors.items()]
    return ", ".join(parts) or "all"


def run_name(arm: str, seed: int, content_hash: str) -> str:
    """Return a readable folder name that is unique to this content hash."""
    label = re.sub(r"[^\w.-]+", "_", re.sub(r", *", "-", arm)).strip("_.-")[:_LONGEST_LABEL]
    return f"{label}-s{seed}-{content_hash[:8]}"
