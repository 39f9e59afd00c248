"""What W&B wrote to the disk, read back by its own program."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def records(run: Path) -> list[dict[str, Any]]:
    """Return all records of an offline run."""
    line = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(run)]
    done = subprocess.run(line, capture_output=True, check=True, text=True, timeout=120)
    return [json.loads(line) for line in done.stdout.splitlines()]


def contents(run: Path, kind: str) -> list[dict[str, Any]]:
    """Return the contents of the records of one type."""
    return [record[kind] for record in records(run) if record["type"] == kind]


def history(run: Path) -> list[dict[str, Any]]:
    """Return the rows of the history."""
    return [record["item"] for record in contents(run, "history")]


def artifacts(run: Path) -> dict[str, dict[str, Any]]:
    """Return the artifacts by name, without those that W&B makes of tables."""
    return {one["name"]: one for one in contents(run, "artifact") if one["type"] != "run_table"}


def text_of(entry: dict[str, Any]) -> str:
    """Return the content of an artifact's entry that is stored with the run."""
    return Path(entry["local_path"]).read_text(encoding="utf-8")


def stored_table(run: Path, path: str) -> dict[str, Any]:
    """Return columns and data of a table by the path that history and summary give."""
    return json.loads((run / "files" / path).read_text(encoding="utf-8"))


def overview(run: Path) -> dict[str, Any]:
    """Return labels, config, summary and state."""
    line = [sys.executable, "-m", "wandb", "leet", "inspect", "--summary", "--json", str(run)]
    done = subprocess.run(line, capture_output=True, check=True, text=True, timeout=120)
    return json.loads(done.stdout)


def offline_runs(folder: Path) -> list[Path]:
    """Return the offline sessions of the run in this run folder."""
    return sorted((folder / "wandb").glob("offline-run-*"))


def offline_run(folder: Path) -> Path:
    """Return the only session."""
    (found,) = offline_runs(folder)
    return found


def rows_are_those_of_the_csv(run: Path, folder: Path) -> None:
    """Demand that the history has the rows of metrics.csv at their indices, with equal numbers."""
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            {name: float(value) for name, value in row.items() if value}
            for row in csv.DictReader(file)
        ]
    found = history(run)
    assert [row["_step"] for row in found] == list(range(len(rows)))
    for row, sent in zip(rows, found, strict=True):
        assert {name: sent.get(name) for name in row} == row
        surplus = {n for n, v in sent.items() if isinstance(v, int | float)} - set(row)
        assert all(name.startswith("_") or "." in name for name in surplus), surplus
