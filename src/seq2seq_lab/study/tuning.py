"""Hyperparameter search by Optuna over overrides, judged on validation alone; every trial has a run folder.

Optuna's journal in the folder of the search holds its state: the same command continues the search, and a finished
trial is never run again.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq_lab.errors import CheckpointError, ConfigError, ResourceError
from seq2seq_lab.metrics.table import lower_is_better
from seq2seq_lab.stored_text import parse_json, read_json

_DIMENSION = re.compile(r"(?P<key>[\w./@]+)=(?P<kind>log|uniform|int|choice)\((?P<inside>.*)\)")
RunTrial = Callable[[list[str], Path], int]
"""Trains with these overrides into this folder and returns its exit code."""


@dataclass(frozen=True)
class Dimension:
    """One key of the search space: `log(a,b)`, `uniform(a,b)`, `int(a,b)` (both ends included) or `choice(a,b,...)`."""

    key: str
    kind: str
    values: tuple[str, ...]

    def suggest(self, trial: Any) -> str:
        """Return the value that Optuna proposes, as it is written in an override."""
        if self.kind == "choice":
            return trial.suggest_categorical(self.key, list(self.values))
        if self.kind == "int":
            return str(trial.suggest_int(self.key, *map(int, self.values)))
        low, high = map(float, self.values)
        return self.text(trial.suggest_float(self.key, low, high, log=self.kind == "log"))

    def lowest(self) -> str:
        """Return the first value, as it is written in an override."""
        value = self.values[0]
        return self.text(float(value)) if self.kind in {"log", "uniform"} else value

    def text(self, value: Any) -> str:
        """Return a value of Optuna as it is written in an override: four digits, and a float with a point."""
        return repr(float(f"{value:.4g}")) if self.kind in {"log", "uniform"} else str(value)


def parse_space(texts: list[str]) -> tuple[list[Dimension], list[str]]:
    """Return the search space, and the overrides that all trials share. Raises `ConfigError`."""
    dimensions, fixed = [], []
    for text in texts:
        found = _DIMENSION.fullmatch(text)
        if found is None:
            fixed.append(text)
            continue
        values = tuple(part.strip() for part in found["inside"].split(","))
        dimensions.append(_checked(text, Dimension(found["key"], found["kind"], values)))
    if not dimensions:
        raise ConfigError("nothing to search; write a key as training.optimizer.lr=log(1e-4,1e-2)")
    return dimensions, fixed


def _checked(text: str, dimension: Dimension) -> Dimension:
    if dimension.kind == "choice":
        if not all(dimension.values):
            raise ConfigError(f"{text}: an empty value; write choice(a,b,c)")
        return dimension
    try:
        low, high = map(int if dimension.kind == "int" else float, dimension.values)
    except ValueError as error:
        raise ConfigError(f"{text}: write {dimension.kind}(LOW,HIGH) with two numbers") from error
    if not low < high or (dimension.kind == "log" and low <= 0):
        needs = "0 < LOW < HIGH" if dimension.kind == "log" else "LOW < HIGH"
        raise ConfigError(f"{text}: must be {needs}")
    return dimension


def check_metric(metric: str) -> None:
    """Refuse to choose by anything but validation."""
    if not metric.startswith("val/"):
        raise ConfigError(
            f"--metric {metric}: must be val/...; what chooses settings must not be what is reported in the end"
        )


def _repair(journal: Path) -> None:
    """Cut a last line that a full disk left torn: Optuna would append to it. Raises `ValueError` for another file."""
    content = journal.read_bytes() if journal.exists() else b""
    size = content.rfind(b"\n") + 1
    entries = [parse_json(line) for line in content[:size].decode().split("\n")[:-1]]
    if content and (not entries or not all(isinstance(one, dict) for one in entries)):
        raise ValueError("no entries")
    if size < len(content):
        os.truncate(journal, size)


class Search:
    """A search in a folder: `journal.log` (Optuna's), `trials/<number>` (run folders).

    Raises `ConfigError` when the folder holds a search over something else.
    """

    def __init__(
        self, folder: Path, space: list[Dimension], fixed: list[str], metric: str, seed: int
    ):
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        check_metric(metric)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.folder, self.space, self.fixed, self.metric = folder, space, fixed, metric
        journal = folder / "journal.log"
        try:
            _repair(journal)
            self.study = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(journal))),
                study_name="search",
                direction="minimize" if lower_is_better(metric) else "maximize",
                load_if_exists=True,
            )
        except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
            reason = f"{journal}: not the journal of a search ({type(error).__name__})"
            raise CheckpointError(f"{reason}; choose another NAME") from error
        # a sampler begins anew with each process: the count keeps it from proposing the same again
        count = len(self.study.trials)
        self.study.sampler = optuna.samplers.TPESampler(seed=seed + count)
        self._check_same({"space": [str(one) for one in space], "fixed": fixed, "metric": metric})
        self.complete, self.failed = optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL
        self._requeue_interrupted(optuna.trial.TrialState.RUNNING)

    def _check_same(self, facts: dict[str, Any]) -> None:
        known = self.study.user_attrs.get("facts", facts)
        unlike = [name for name, value in facts.items() if known.get(name) != value]
        if unlike:
            raise ConfigError(
                f"{self.folder}: holds a search with another {unlike[0]} ({known.get(unlike[0])}); choose another name"
            )
        self.study.set_user_attr("facts", facts)

    def _requeue_interrupted(self, running: Any) -> None:
        """Queue the trials that ran when the last process ended: they come before any new one."""
        for trial in self.study.get_trials(states=(running,)):
            self.study.tell(trial.number, state=self.failed)
            self.study.set_user_attr(f"interrupted {trial.number}", value=True)
            if trial.params:
                self.study.enqueue_trial(trial.params)

    def count(self) -> int:
        """Return how many trials ended, failed ones included, interrupted ones not."""
        over = self.study.get_trials(states=(self.complete, self.failed))
        return sum(f"interrupted {trial.number}" not in self.study.user_attrs for trial in over)

    def step(self, run: RunTrial) -> str:
        """Carry out one trial and return a line about it."""
        trial = self.study.ask()
        values = [f"{one.key}={one.suggest(trial)}" for one in self.space]
        place = f"trial {trial.number}: {' '.join(values)}"
        value = self._known(values)
        if value is None:
            run_dir = self.folder / "trials" / str(trial.number)
            code = run([*self.fixed, *values, f"run_dir={run_dir}"], run_dir)
            value = None if code else self._read(run_dir)
            if value is None:
                self.study.tell(trial, state=self.failed)
                reason = f"training ended with code {code}" if code else f"no {self.metric}"
                return f"{place}: failed ({reason})"
        trial.set_user_attr("overrides", values)
        self.study.tell(trial, value)
        return f"{place}: {self.metric} {value:g}"

    def _known(self, values: list[str]) -> float | None:
        """Return the outcome of an earlier trial with the same values: runs are deterministic."""
        for trial in self.study.get_trials(states=(self.complete,)):
            if trial.user_attrs["overrides"] == values:
                return trial.value
        return None

    def _read(self, run_dir: Path) -> float | None:
        value: Any = read_json(
            run_dir / "result.json", CheckpointError, "delete the trial's folder"
        ).get(self.metric)
        return float(value) if type(value) in (int, float) else None

    def best(self) -> tuple[list[str], float]:
        """Return the best overrides and their value. Raises `ResourceError` when no trial finished."""
        if not self.study.get_trials(states=(self.complete,)):
            raise ResourceError(f"no trial finished; see what training printed, and {self.folder}")
        best = self.study.best_trial
        assert best.value is not None
        return [*self.fixed, *best.user_attrs["overrides"]], best.value
