"""The files of a run, read and checked: a wrong one is a `DataError` that names it."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq_lab.errors import DataError
from seq2seq_lab.stored_text import read_json, read_json_lines

AGAIN = "run the study's command again"


@dataclass(frozen=True)
class Translated:
    """One line of hypotheses/<split>.jsonl; `further` are its references beyond the first."""

    source: str
    reference: str
    hypothesis: str
    further: tuple[str, ...] = ()

    @property
    def references(self) -> tuple[str, ...]:
        """All references of the sentence."""
        return (self.reference, *self.further)


def read_numbers(path: Path) -> dict[str, float]:
    """Return the numbers of a result.json; null is NaN. Raises `DataError` for anything but numbers."""
    numbers = read_json(path, DataError, AGAIN)
    wrong = [k for k, v in numbers.items() if v is not None and type(v) not in (int, float)]
    if wrong:
        raise DataError(f"{path}: {wrong[0]} is no number; {AGAIN}")
    return {k: math.nan if v is None else float(v) for k, v in numbers.items()}


def read_signatures(path: Path) -> dict[str, str]:
    """Return how sacreBLEU scored, by metric; empty if the file is not there."""
    signatures = optional_json(path)
    if not all(isinstance(text, str) for text in signatures.values()):
        raise DataError(f"{path}: a signature is no text; {AGAIN}")
    return signatures


def optional_json(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file; empty if it is not there."""
    return read_json(path, DataError, AGAIN) if path.is_file() else {}


def optional_translated(path: Path) -> tuple[Translated, ...]:
    """Return the lines of a hypotheses file; none if it is not there."""
    return read_translated(path, AGAIN) if path.is_file() else ()


def read_translated(path: Path, advice: str) -> tuple[Translated, ...]:
    """Read a hypotheses file; raises `DataError` that names the line and ends with the advice."""
    keys, found = ("source", "reference", "hypothesis"), []
    for number, row in enumerate(read_json_lines(path, DataError, advice, keys), start=1):
        texts = row.get("references", [row["reference"]])
        is_list = isinstance(texts, list) and all(isinstance(text, str) for text in texts)
        if not is_list or texts[:1] != [row["reference"]]:
            rule = "`references` must be a list of texts that begins with `reference`"
            raise DataError(f"{path}:{number}: {rule}; {advice}")
        found.append(Translated(row[keys[0]], row[keys[1]], row[keys[2]], tuple(texts[1:])))
    return tuple(found)


def read_history(path: Path) -> tuple[dict[str, float], ...]:
    """Return the rows of metrics.csv without their empty fields."""
    if not path.is_file():
        return ()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return tuple(
                {key: float(text) for key, text in row.items() if key and is_number(text)}
                for row in csv.DictReader(file)
            )
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}); {AGAIN}") from error


def is_number(text: object) -> bool:
    """Return whether a field of a CSV file is a number."""
    try:
        float(str(text))
    except ValueError:
        return False
    return True
