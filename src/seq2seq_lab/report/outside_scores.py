"""Scores of single sentences that another program made (COMET, a person): `seq2seq-lab report --scores FILE`.

A table with a header (.tsv or .csv) or objects (.jsonl), one row for each run and sentence, with these columns:

    run      the name of the run's folder
    id       the sentence, 0, 1, ... in the order of hypotheses/<split>.jsonl; without it the rows of a run are in order
    metric   a name such as comet
    score    a number
    lower_is_better   optional: true where less is better

Every run that is done needs one score of every sentence. The mean over sentences is the run's number.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from seq2seq_lab.data.table_file import csv_rows, table_format, tsv_rows
from seq2seq_lab.data.text import iter_lines, open_text
from seq2seq_lab.errors import DataError
from seq2seq_lab.metrics.metric import Metric, Ratio, Texts
from seq2seq_lab.metrics.table import METRICS
from seq2seq_lab.report.records import Records, Run

SCORES = "scores.jsonl"
"""In the folder of a report: the scores that it took from a file."""
COLUMNS = ("run", "id", "metric", "score", "lower_is_better")
_DIRECTIONS = {
    "true": True,
    "1": True,
    "yes": True,
    "false": False,
    "0": False,
    "no": False,
    "": False,
}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass
class Outside:
    """The scores of one metric: {run: {sentence: score}}, and the direction that the file states."""

    lower_is_better: bool
    scores: dict[str, dict[int, float]] = field(default_factory=dict)


def read_scores(path: str) -> dict[str, Outside]:
    """Read a file of scores. Raises `DataError` with file:line for a row that cannot be used."""
    found: dict[str, Outside] = {}
    for place, row in _rows(path):
        run, name = (_text(row, key, place) for key in ("run", "metric"))
        if not _NAME.fullmatch(name):
            raise DataError(f"{place}: metric={name!r}: must be letters, digits and _, as in comet")
        if name in METRICS:
            raise DataError(f"{place}: metric={name!r} is a metric of this package; rename it")
        direction = str(row.get("lower_is_better") or "").strip().lower()
        if direction not in _DIRECTIONS:
            raise DataError(f"{place}: lower_is_better={direction!r}: must be true or false")
        metric = found.setdefault(name, Outside(_DIRECTIONS[direction]))
        if metric.lower_is_better != _DIRECTIONS[direction]:
            raise DataError(f"{place}: lower_is_better of {name} differs from an earlier row")
        of_run = metric.scores.setdefault(run, {})
        sentence = _sentence(row.get("id"), len(of_run), place)
        if sentence in of_run:
            raise DataError(
                f"{place}: {name} of {run}, sentence {sentence}, is there twice; keep one"
            )
        of_run[sentence] = _number(row.get("score"), place)
    if not found:
        raise DataError(f"{path}: no score in it; write one row for each run and sentence")
    return found


def _rows(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    kind = table_format(path)
    with open_text(path) as stream:
        lines = iter_lines(stream, path)
        if kind == "jsonl":
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield f"{path}:{number}", _object(line, f"{path}:{number}")
            return
        rows = (tsv_rows if kind == "tsv" else csv_rows)(lines, path, Counter())
        _, head = next(rows, (1, []))
        names = [name.strip() for name in head]
        if missing := {"run", "metric", "score"} - set(names):
            raise DataError(
                f"{path}:1: no column {', '.join(sorted(missing))}; the first row must name the columns run, "
                "id, metric, score"
            )
        _check_names(names, f"{path}:1")
        for number, cells in rows:
            if len(cells) != len(names):
                text = f"{len(cells)} columns, but the header has {len(names)}; fix the row"
                raise DataError(f"{path}:{number}: {text}")
            yield f"{path}:{number}", dict(zip(names, cells, strict=True))


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON: {error}; write one object per line") from error
    if not isinstance(row, dict):
        raise DataError(f"{place}: not an object with the keys run, id, metric, score")
    _check_names(list(row), place)
    return row


def _check_names(names: Sequence[str], place: str) -> None:
    wrong = [name for name in names if name not in COLUMNS or names.count(name) > 1]
    if wrong:
        text = f"column {wrong[0]!r}: must be one of {', '.join(COLUMNS)}, each once"
        raise DataError(f"{place}: {text}")


def _text(row: Mapping[str, Any], key: str, place: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{place}: {key} is missing; every row needs run, metric and score")
    return value.strip()


def _number(value: object, place: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{place}: score={value!r}: must be a finite number")
    return number


def _sentence(value: object, following: int, place: str) -> int:
    text = "" if value is None else str(value).strip()
    if not text:
        return following
    if not re.fullmatch(r"\d{1,9}", text):
        raise DataError(f"{place}: id={text!r}: must be the number of a sentence, counted from 0")
    return int(text)


# joined with a study


@dataclass(frozen=True)
class Given(Ratio):
    """A mean of scores that no text determines."""

    def statistics(self, runs: Sequence[Texts], references: Texts) -> Any:  # noqa: ARG002
        """Refuse: only the file has the scores."""
        raise ValueError(
            f"{self.name}: its scores come from a file (report --scores), not from texts"
        )


def _no_counts(hypotheses: Texts, references: Texts) -> list[tuple[float, float]]:  # noqa: ARG001
    return []


def rows_of(found: Mapping[str, Outside]) -> dict[str, Metric]:
    """Return the rows that METRICS holds while the report is written."""
    unbounded = (-math.inf, math.inf)
    return {
        name: Given(
            name, name, _no_counts, scale=1.0, lower_is_better=one.lower_is_better, bounds=unbounded
        )
        for name, one in found.items()
    }  # fmt: skip


def joined(records: Records, found: Mapping[str, Outside], path: str) -> Records:
    """Return the study with the scores in its runs. Raises `DataError` where runs or sentences do not fit."""
    known = {run.name for run in records.runs}
    for name, one in found.items():
        if strange := sorted(set(one.scores) - known):
            some = ", ".join(sorted(known)[:3])
            raise DataError(
                f"{path}: {name}: no finished run {strange[0]!r} in {records.name}; its runs are {some} ..."
            )
    arms = {
        arm: tuple(_with_scores(run, records.split, found, path) for run in runs)
        for arm, runs in records.arms.items()
    }
    return replace(records, arms=arms)


def _with_scores(run: Run, split: str, found: Mapping[str, Outside], path: str) -> Run:
    outside = {}
    for name, one in found.items():
        scores, sentences = one.scores.get(run.name, {}), range(len(run.translated))
        absent = [i for i in sentences if i not in scores]
        beyond = [i for i in scores if i not in sentences]
        if absent or beyond:
            place = f"{path}: {name} of {run.name}: {len(scores)} scores for {len(sentences)} sentences of {split}"
            what = (
                f"sentence {absent[0]} has none" if absent else f"there is no sentence {beyond[0]}"
            )
            raise DataError(f"{place}; {what}")
        outside[name] = tuple(scores[i] for i in sentences)
    means = {f"{split}/{name}": float(np.mean(values)) for name, values in outside.items()}
    return replace(run, result=run.result | means, outside=outside)


def stored(records: Records) -> str:
    """Return the scores that a report used as JSON lines, in the form that `read_scores` reads."""
    rows = [
        {"run": run.name, "id": i, "metric": name, "score": score, "lower_is_better": METRICS[name].lower_is_better}
        for run in records.runs
        for name, scores in run.outside.items()
        for i, score in enumerate(scores)
    ]  # fmt: skip
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
