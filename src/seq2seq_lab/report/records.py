"""A study as read from disk: the plan, the state of each run, and the files of the runs that are done.

Writes nothing; a missing picture or a run that never started is normal. Layout: docs/studies.md.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seq2seq_lab.config.extension_facts import require_metrics
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.inference.search_folder import StoredSearch, read_searches
from seq2seq_lab.metrics.length_ratio import LENGTH_RATIO, length_ratio
from seq2seq_lab.report import search_arms
from seq2seq_lab.report.run_files import (
    AGAIN,
    Translated,
    optional_json,
    optional_translated,
    read_history,
    read_numbers,
    read_signatures,
    read_translated,
)
from seq2seq_lab.study.matrix import PlannedRun, Study, arm_label
from seq2seq_lab.study.plan import states


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
    model: str = ""
    """Which trained model it is, where several runs are one model used in several ways; these are paired then."""
    decoding: dict[str, Any] = field(default_factory=dict)
    """The search where it is not that of the run's config."""

    @property
    def url(self) -> str | None:
        """Where W&B shows the run, if it was sent there."""
        found = self.manifest.get("wandb")
        url = found.get("url") if isinstance(found, dict) else None
        return url if isinstance(url, str) and url.startswith(("https://", "http://")) else None

    def json(self, name: str) -> dict[str, Any]:
        """Return an optional JSON file of the run; empty if it is not there."""
        return optional_json(self.folder / name)


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
    is_study: bool = field(default=True, kw_only=True)
    """False for text files of other programs, which have no plan, configs or runs."""
    prediction: dict[str, Any] | None = field(default=None, kw_only=True)
    """What the study was expected to show, as study.json has it (report/prediction.py)."""

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
    study_dir: Path,
    metric: str | None = None,
    outside: Collection[str] = (),
    *,
    searches: bool | None = None,
) -> Records:
    """Read a study; `metric` (as in test/bleu) replaces the one that the study declared.

    `outside` names metrics that the runs themselves need not have. With `searches`, each search of the runs is an arm
    (`with_searches`); None: if the prediction of the study names some and the metric is one of the test.
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
    records = Records(
        study.name, study_dir, chosen, study.factors, ordered, tuple(unfinished), len(study.runs),
        prediction=study.prediction,
    )  # fmt: skip
    expected = search_arms.predicted(study.prediction)
    wanted = bool(expected) and split == "test" if searches is None else searches
    return with_searches(records, expected) if wanted else records


def with_searches(records: Records, expected: Sequence[str] = ()) -> Records:
    """Return the study with the factor `search`: each search of its runs is an arm beside the runs' own decoding.

    All searches of a run are the same model. `expected` are searches that count as missing where no run has them.
    """
    if records.split != "test":
        raise ConfigError(f"metric={records.metric}: searches decode the test; choose test/NAME")
    stored = {run.name: read_searches(run.folder) for run in records.runs}
    known = [(search_arms.own_decoding(r.folder, AGAIN), stored[r.name]) for r in records.runs]
    own, names = search_arms.names(known, expected)
    if not (expected or any(stored.values())):
        advice = f"seq2seq-lab search {records.name} NAME=OVERRIDES makes some"
        raise ConfigError(f"{records.place}: no run of this study has searches; {advice}")
    arms: dict[str, tuple[Run, ...]] = {}
    unfinished: list[UnfinishedRun] = []
    for runs, waiting in _by_arm(records):
        for name in names:
            factors = {**(runs or waiting)[0].factors, search_arms.FACTOR: name}
            arm = arm_label(factors)
            done = [run for run in runs if name == own or name in stored[run.name]]
            arms[arm] = tuple(
                _own(run, arm, factors) if name == own else _searched(run, stored[run.name][name], arm, factors)
                for run in done
            )  # fmt: skip
            unfinished += [replace(one, arm=arm, factors=factors) for one in waiting]
            unfinished += [
                UnfinishedRun(f"{run.name}/{name}", arm, run.seed, factors, "missing", "not decoded by this search")
                for run in runs if run not in done
            ]  # fmt: skip
    factors_of_all = {**records.factors, search_arms.FACTOR: tuple(names)}
    total = records.total * len(names)
    return replace(
        records, factors=factors_of_all, arms=arms, unfinished=tuple(unfinished), total=total
    )


def _by_arm(records: Records) -> list[tuple[tuple[Run, ...], list[UnfinishedRun]]]:
    return [
        (runs, [one for one in records.unfinished if one.arm == arm])
        for arm, runs in records.arms.items()
    ]


def _own(run: Run, arm: str, factors: dict[str, str]) -> Run:
    """Return a run as the arm of its own decoding."""
    languages, result = run.data_report.get("languages"), run.result
    if run.translated and isinstance(languages, list):
        texts = [t.hypothesis for t in run.translated], [t.reference for t in run.translated]
        result = {**result, f"test/{LENGTH_RATIO}": length_ratio(*texts, str(languages[-1]))}
    return replace(run, arm=arm, factors=factors, result=result, model=str(run.folder))


def _searched(run: Run, search: StoredSearch, arm: str, factors: dict[str, str]) -> Run:
    """Return a search of a run as a run."""
    size = {k: v for k, v in run.result.items() if k == "model/parameters"}
    return replace(
        run, name=f"{run.name}/{search.name}", arm=arm, factors=factors, folder=search.folder,
        result={**size, **read_numbers(search.folder / "result.json")},
        signatures=read_signatures(search.folder / "signatures.json"),
        translated=read_translated(search.folder / "test.jsonl", AGAIN), history=(), outside={},
        model=str(run.folder), decoding=search.decoding,
    )  # fmt: skip


def _run(planned: PlannedRun, folder: Path, split: str, seconds: float) -> Run:
    return Run(
        name=planned.name,
        arm=planned.arm,
        seed=planned.seed,
        factors=planned.factors,
        folder=folder,
        result=read_numbers(folder / "result.json"),
        signatures=read_signatures(folder / "hypotheses" / "signatures.json"),
        translated=optional_translated(folder / "hypotheses" / f"{split}.jsonl"),
        history=read_history(folder / "metrics.csv"),
        manifest=optional_json(folder / "manifest.json"),
        data_report=optional_json(folder / "data_report.json"),
        seconds=seconds,
    )
