"""What a study left on disk: plan, state of each cell, and the files of the cells that are done.

Reads only; a torn ledger line, a missing picture or a cell that never ran is normal. Layout: docs/studies.md.
"""

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq_lab.errors import ConfigError, DataError
from seq2seq_lab.files import sha256_of

STUDIES = Path("outputs") / "studies"


@dataclass(frozen=True)
class Translated:
    """One line of hypotheses/<split>.jsonl."""

    source: str
    reference: str
    hypothesis: str


@dataclass(frozen=True)
class Run:
    """A cell that is done. `result` holds the final numbers, `history` the rows of metrics.csv."""

    cell: str
    arm: str
    seed: int
    factors: dict[str, str]
    folder: Path
    result: dict[str, float]
    signatures: dict[str, str]
    translated: tuple[Translated, ...]
    history: tuple[dict[str, float], ...]
    manifest: dict[str, Any]
    data_report: dict[str, Any]
    seconds: float

    def json(self, name: str) -> Any:
        """Return an optional JSON file of the run, or None."""
        return _optional_json(self.folder / name)


@dataclass(frozen=True)
class Unfinished:
    """A cell that is not done, and why."""

    cell: str
    arm: str
    seed: int
    state: str
    reason: str


@dataclass(frozen=True)
class Records:
    """A study: arms in the order declared, runs by arm in the order of their seeds."""

    name: str
    place: Path
    metric: str
    factors: dict[str, tuple[str, ...]]
    arms: dict[str, tuple[Run, ...]]
    unfinished: tuple[Unfinished, ...]
    total: int

    @property
    def split(self) -> str:
        """The split of the metric, `test` in `test/bleu`."""
        return self.metric.partition("/")[0]

    @property
    def runs(self) -> list[Run]:
        """All runs that are done."""
        return [run for runs in self.arms.values() for run in runs]


def find_study(text: str) -> Path:
    """Return the folder of a study given by its path or by its name under outputs/studies."""
    for folder in (Path(text), STUDIES / text):
        if (folder / "study.json").is_file():
            return folder
    raise ConfigError(
        f"{text}: holds no study.json, here or under {STUDIES}; give the folder of a study"
    )


def read_records(study_dir: Path, metric: str | None = None) -> Records:
    """Read a study; `metric` (as in test/bleu) replaces the one that the study declared."""
    plan = _plan(study_dir)
    chosen = metric or plan["metric"]
    split = chosen.partition("/")[0]
    if "/" not in chosen or split not in {"val", "test"}:
        raise ConfigError(f"metric={chosen}: must be val/NAME or test/NAME, as in test/bleu")
    events = _last_events(study_dir / "ledger.jsonl")
    arms: dict[str, list[Run]] = {}
    unfinished = []
    for cell in plan["cells"]:
        arms.setdefault(cell["arm"], [])
        folder = study_dir / "cells" / cell["cell"]
        event = events.get(cell["cell"], {})
        state, reason = _state(folder, event)
        if state == "done":
            arms[cell["arm"]].append(_run(cell, folder, split, event))
        else:
            unfinished.append(
                Unfinished(cell["cell"], cell["arm"], int(cell["seed"]), state, reason)
            )
    done = [run for runs in arms.values() for run in runs]
    if metric and done and not any(metric in run.result for run in done):
        known = ", ".join(sorted(k for k in done[0].result if k.startswith(f"{split}/")))
        raise ConfigError(f"metric={metric}: no finished cell has it; there are {known}")
    ordered = {arm: tuple(sorted(runs, key=lambda run: run.seed)) for arm, runs in arms.items()}
    factors = {key: tuple(map(str, values)) for key, values in plan["factors"].items()}
    return Records(
        plan["name"], study_dir, chosen, factors, ordered, tuple(unfinished), len(plan["cells"])
    )


def _plan(study_dir: Path) -> dict[str, Any]:
    path = study_dir / "study.json"
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
        for cell in plan["cells"]:
            cell.setdefault("cell", cell.get("name"))
            _ = cell["cell"], cell["arm"], cell["seed"], cell["factors"]
        _ = plan["name"], plan["factors"], plan["metric"]
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); give the folder of a study"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not the plan of a study ({error})") from error
    return plan


def _last_events(ledger: Path) -> dict[str, dict[str, Any]]:
    """Return the last event of each cell that tells its state; lines that are no JSON are passed over."""
    found: dict[str, dict[str, Any]] = {}
    lines = ledger.read_bytes().split(b"\n") if ledger.is_file() else []
    for line in lines:
        try:
            event = json.loads(line)
            if event["event"] != "skipped":
                found[event["cell"]] = event
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _state(folder: Path, event: dict[str, Any]) -> tuple[str, str]:
    """Return done, damaged, or what the ledger says (failed, interrupted, started, missing)."""
    done = _optional_json(folder / "done.json")
    if isinstance(done, dict):
        for name, digest in done.get("sha256", {}).items():
            path = folder / name
            if not path.is_file() or sha256_of(path) != digest:
                return "damaged", f"{name} differs from done.json; run the study's command again"
        return "done", ""
    told = str(event.get("event", "missing"))
    state = told if told in {"failed", "interrupted", "started"} else "missing"
    return state, str(event.get("reason") or "")


def _run(cell: dict[str, Any], folder: Path, split: str, event: dict[str, Any]) -> Run:
    done = _optional_json(folder / "done.json")
    seconds = done.get("seconds", event.get("seconds"))
    numbers = _json(folder / "result.json")
    return Run(
        cell=cell["cell"],
        arm=cell["arm"],
        seed=int(cell["seed"]),
        factors={key: str(value) for key, value in cell["factors"].items()},
        folder=folder,
        result={k: math.nan if v is None else float(v) for k, v in numbers.items()},
        signatures=_optional_json(folder / "hypotheses" / "signatures.json") or {},
        translated=_translated(folder / "hypotheses" / f"{split}.jsonl"),
        history=_history(folder / "metrics.csv"),
        manifest=_optional_json(folder / "manifest.json") or {},
        data_report=_optional_json(folder / "data_report.json") or {},
        seconds=math.nan if seconds is None else float(seconds),
    )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); run the study's command again"
        ) from error


def _optional_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _translated(path: Path) -> tuple[Translated, ...]:
    if not path.is_file():
        return ()
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n")[:-1], 1):
        try:
            row = json.loads(line)
            rows.append(Translated(row["source"], row["reference"], row["hypothesis"]))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}:{number}: not a stored hypothesis ({error})") from error
    return tuple(rows)


def _history(path: Path) -> tuple[dict[str, float], ...]:
    """Return the rows of metrics.csv without their empty fields."""
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(
            {key: float(text) for key, text in row.items() if key and text and _is_number(text)}
            for row in csv.DictReader(file)
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
