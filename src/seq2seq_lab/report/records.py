"""A study as read from disk: the plan, the state of each run, and the files of the runs that are done.

Writes nothing; a missing picture or a run that never started is normal. Layout: docs/studies.md.
"""

import csv
import math
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seq2seq_lab.config.extension_facts import require_metrics
from seq2seq_lab.errors import ConfigError, DataError
from seq2seq_lab.stored_text import read_json, read_json_lines
from seq2seq_lab.study.matrix import PlannedRun, Study
from seq2seq_lab.study.plan import states

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


@dataclass(frozen=True)
class Run:
    """A run that is done. `result` holds the final numbers, `history` the rows of metrics.csv."""

    name: str
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
    outside: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Scores of the sentences by metric that a file gives (`report --scores`)."""

    @property
    def url(self) -> str | None:
        """Where W&B shows the run, if it was sent there."""
        found = self.manifest.get("wandb")
        url = found.get("url") if isinstance(found, dict) else None
        return url if isinstance(url, str) and url.startswith(("https://", "http://")) else None

    def json(self, name: str) -> dict[str, Any]:
        """Return an optional JSON file of the run; empty if it is not there."""
        return _optional_json(self.folder / name)


@dataclass(frozen=True)
class UnfinishedRun:
    """A run that is not done, and why."""

    name: str
    arm: str
    seed: int
    factors: dict[str, str]
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
    unfinished: tuple[UnfinishedRun, ...]
    total: int
    same_models: bool = field(default=False, kw_only=True)
    """True where runs of one seed are one model used in several ways: then arms are paired by seed."""
    is_study: bool = field(default=True, kw_only=True)
    """False for text files of other programs, which have no plan, configs or runs."""

    @property
    def split(self) -> str:
        """The split of the metric, `test` in `test/bleu`."""
        return self.metric.partition("/")[0]

    def style(self, arm: str) -> int:
        """Return the number of an arm: its colour and mark in every figure."""
        return list(self.arms).index(arm)

    @property
    def runs(self) -> list[Run]:
        """All runs that are done."""
        return [run for runs in self.arms.values() for run in runs]


def read_records(
    study_dir: Path, metric: str | None = None, outside: Collection[str] = ()
) -> Records:
    """Read a study; `metric` (as in test/bleu) replaces the one that the study declared.

    `outside` names metrics that the runs themselves need not have.
    """
    study = Study.load(study_dir)
    chosen = metric or study.metric
    split = chosen.partition("/")[0]
    if "/" not in chosen or split not in {"val", "test"}:
        raise ConfigError(f"metric={chosen}: must be val/NAME or test/NAME, as in test/bleu")
    arms: dict[str, list[Run]] = {run.arm: [] for run in study.runs}
    unfinished = []
    for run, state in zip(study.runs, states(study), strict=True):
        if state.kind == "done":
            seconds = math.nan if state.seconds is None else float(state.seconds)
            arms[run.arm].append(_run(run, study.folder(run), split, seconds))
        else:
            reason = state.reason or ""
            planned = run.name, run.arm, run.seed, run.factors
            unfinished.append(UnfinishedRun(*planned, state.kind, reason))
    done = [run for runs in arms.values() for run in runs]
    require_metrics((run.manifest.get("extensions"), run.folder) for run in done)
    is_known = chosen.partition("/")[2] in outside or any(chosen in run.result for run in done)
    if metric and done and not is_known:
        known = ", ".join(sorted(k for k in done[0].result if k.startswith(f"{split}/")))
        raise ConfigError(f"metric={metric}: no finished run has it; there are {known}")
    ordered = {arm: tuple(sorted(runs, key=lambda run: run.seed)) for arm, runs in arms.items()}
    return Records(
        study.name, study_dir, chosen, study.factors, ordered, tuple(unfinished), len(study.runs)
    )


def _run(planned: PlannedRun, folder: Path, split: str, seconds: float) -> Run:
    numbers = read_json(folder / "result.json", DataError, AGAIN)
    wrong = [k for k, v in numbers.items() if v is not None and type(v) not in (int, float)]
    if wrong:
        raise DataError(f"{folder / 'result.json'}: {wrong[0]} is no number; {AGAIN}")
    signatures = _optional_json(folder / "hypotheses" / "signatures.json")
    if not all(isinstance(text, str) for text in signatures.values()):
        raise DataError(f"{folder}/hypotheses/signatures.json: a signature is no text; {AGAIN}")
    return Run(
        name=planned.name,
        arm=planned.arm,
        seed=planned.seed,
        factors=planned.factors,
        folder=folder,
        result={k: math.nan if v is None else float(v) for k, v in numbers.items()},
        signatures=signatures,
        translated=_translated(folder / "hypotheses" / f"{split}.jsonl"),
        history=_history(folder / "metrics.csv"),
        manifest=_optional_json(folder / "manifest.json"),
        data_report=_optional_json(folder / "data_report.json"),
        seconds=seconds,
    )


def _optional_json(path: Path) -> dict[str, Any]:
    return read_json(path, DataError, AGAIN) if path.is_file() else {}


def _translated(path: Path) -> tuple[Translated, ...]:
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


def _history(path: Path) -> tuple[dict[str, float], ...]:
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
