"""A study: factors x seeds, each combination a cell with a folder of its own under <study_dir>/cells/."""

import dataclasses
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.files import write_json

SEED_KEY = "seed"
ROOT = Path("outputs") / "studies"
"""Where studies lie unless `study_dir` says otherwise."""

_LONGEST_LABEL = 120


@dataclass(frozen=True)
class Cell:
    """One run of a study: the values of its factors, its seed and the address of what it computes."""

    name: str
    arm: str
    factors: dict[str, str]
    seed: int
    overrides: tuple[str, ...]
    address: str


@dataclass(frozen=True)
class Study:
    """The plan of a study. `factors` maps an override key to its values, as text, in the order declared."""

    name: str
    factors: dict[str, tuple[str, ...]]
    seeds: tuple[int, ...]
    fixed: tuple[str, ...]
    metric: str
    cells: tuple[Cell, ...]
    place: Path = ROOT

    def folder(self, cell: Cell) -> Path:
        """Return the run folder of a cell."""
        return self.place / "cells" / cell.name

    @property
    def ledger(self) -> Path:
        """The file that tells what happened to the cells."""
        return self.place / "ledger.jsonl"

    def lock(self, cell: Cell) -> Path:
        """Return the lock that a process holds while it runs the cell."""
        return lock_of(self.folder(cell))

    def save(self) -> None:
        """Write study.json."""
        self.place.mkdir(parents=True, exist_ok=True)
        cells = [{"cell": cell.name, **dataclasses.asdict(cell)} for cell in self.cells]
        for cell in cells:
            del cell["name"]
        content = {
            "name": self.name,
            "factors": self.factors,
            "seed_key": SEED_KEY,
            "seeds": self.seeds,
            "fixed": self.fixed,
            "metric": self.metric,
            "cells": cells,
        }
        write_json(self.place / "study.json", content)

    @classmethod
    def load(cls, study_dir: Path) -> "Study":
        """Read study.json; raises `ConfigError` if the folder holds no study."""
        path = Path(study_dir) / "study.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            cells = tuple(
                Cell(cell.pop("cell"), **{**cell, "overrides": tuple(cell["overrides"])})
                for cell in content["cells"]
            )
            return cls(
                content["name"],
                {key: tuple(values) for key, values in content["factors"].items()},
                tuple(content["seeds"]),
                tuple(content["fixed"]),
                content["metric"],
                cells,
                Path(study_dir),
            )
        except FileNotFoundError:
            raise ConfigError(
                f"{study_dir}: no study there; give the folder that holds study.json, or a name under {ROOT}"
            ) from None
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"{path}: not the plan of a study; run the study's command again"
            ) from error


def lock_of(folder: Path) -> Path:
    """Return the lock of a cell's folder: <study_dir>/locks/<cell>.lock, so that a clean start keeps it."""
    return folder.parent.parent / "locks" / f"{folder.name}.lock"


def find_study(text: str) -> Path:
    """Return the folder of a study given by its folder or by its name."""
    place = Path(text)
    return place if (place / "study.json").exists() else ROOT / text


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


def cell_name(arm: str, seed: int, address: str) -> str:
    """Return a folder name that can be read and that no other content shares."""
    label = re.sub(r"[^\w.-]+", "_", re.sub(r", *", "-", arm)).strip("_.-")[:_LONGEST_LABEL]
    return f"{label}-s{seed}-{address[:8]}"
