"""The runs of a study from the jobs of a sweep, and the state of each run from the files on disk."""

import itertools
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from seq2seq_lab.errors import ConfigError, UserError, one_line
from seq2seq_lab.files import held
from seq2seq_lab.study import ledger
from seq2seq_lab.study.content_hash import content_hash
from seq2seq_lab.study.matrix import SEED_KEY, PlannedRun, Study, arm_label, run_name, swept
from seq2seq_lab.study.run import ENDED, FOUND, read_done

THREADS = "torch_threads=1"
"""The override that every run gets unless the user sets it: numbers must not depend on the launcher."""

Compose = Callable[[Sequence[str]], dict[str, Any]]
Kind = Literal["done", "running", "failed", "interrupted", "missing"]


@dataclass(frozen=True)
class State:
    """The state of a run; `seconds` of its last attempt."""

    kind: Kind
    reason: str | None = None
    seconds: float | None = None


def plan(
    name: str, place: Path, jobs: Sequence[Sequence[str]], compose: Compose
) -> tuple[Study, dict[str, str]]:
    """Return the study and, by the name of the run, why some runs cannot be composed.

    `jobs` are the override lists of the sweep, `compose` turns one into a resolved config. Raises `ConfigError` for a
    prediction that does not fit them.
    """
    jobs = [[o for o in job if not o.startswith(("study=", "study_dir="))] for job in jobs]
    values = swept(jobs)
    factors = {key: found for key, found in values.items() if key != SEED_KEY}
    runs: dict[str, PlannedRun] = {}
    broken: dict[str, str] = {}
    metric, composed = "test/bleu", []
    for job in jobs:
        overrides, reason = list(job), None
        given = dict(o.partition("=")[::2] for o in job)
        seed = int(given[SEED_KEY]) if given.get(SEED_KEY, "").isdecimal() else 0
        digest = ""
        try:
            config = compose(overrides)
            if config.get("torch_threads") is None:
                overrides.append(THREADS)
                config = {**config, "torch_threads": 1}
            digest = content_hash(config)
            composed.append(config)
            seed = (
                config["seed"] if isinstance(config["seed"], int) else seed
            )  # else refused by the check
            metric = f"test/{config['data']['monitor'].rpartition('/')[2]}"
        except UserError as error:
            digest = content_hash({"overrides": job})
            reason = f"{type(error).__name__}: {one_line(error)}"
        chosen = {key: given[key] for key in factors}
        arm = arm_label(chosen)
        name_of_run = run_name(arm, seed, digest)
        runs[name_of_run] = PlannedRun(name_of_run, arm, chosen, seed, tuple(overrides), digest)
        if reason is not None:
            broken[name_of_run] = reason
    fixed = tuple(o for o in jobs[0] if o.partition("=")[0] not in values)
    seeds = tuple(dict.fromkeys(run.seed for run in runs.values()))
    prediction = _the_prediction(composed, factors, runs.values())
    return Study(
        name, factors, seeds, fixed, metric, tuple(runs.values()), place, prediction
    ), broken


def _the_prediction(
    configs: list[dict[str, Any]],
    factors: Collection[str],
    runs: Collection[PlannedRun],
) -> dict[str, Any] | None:
    """Return the prediction that all runs share; `ConfigError` if they do not, or if it does not fit the study."""
    found = [config.get("prediction") for config in configs]
    prediction = found[0] if found else None
    if any(one != prediction for one in found):
        raise ConfigError("prediction: differs between the runs of this study; it has one, or null")
    if prediction is not None:
        # numpy: not needed by `status`
        from seq2seq_lab.study.prediction import check_plan, searches_of

        made = [searches_of(config) for config in configs]
        searches = (
            list(dict.fromkeys(name for names in made for name in names)) if all(made) else []
        )
        check_plan(prediction, factors, {run.arm: run.factors for run in runs}, searches)
    return prediction


def begin(study: Study) -> list[PlannedRun]:
    """Write the plan, bring the ledger up to date after a crash, and return the runs that are not done.

    Raises `ConfigError` if a run has begun under another prediction: one that changes with the results is none.
    """
    events = ledger.read(study.ledger)
    _keep_prediction(study, events)
    study.save()
    newest, started = ledger.last(events), ledger.attempts(events)
    missing = []
    for run, state in zip(study.runs, states(study, events), strict=True):
        before = newest.get(run.name)
        facts = (run.name, started[run.name], run.content_hash)
        if before is None:
            ledger.append(study.ledger, "planned", *facts)
        if state.kind != "done":
            missing.append(run)
            if before is not None and before.event == "started" and state.kind == "interrupted":
                ledger.append(study.ledger, "interrupted", *facts, ENDED)
        elif before is None or before.event != "done":
            ledger.append(study.ledger, "done", *facts, FOUND, state.seconds)
    return missing


def _keep_prediction(study: Study, events: list[ledger.Event]) -> None:
    if not any(event.event == "started" for event in events):
        return
    before = Study.load(study.place).prediction
    if before != study.prediction:
        raise ConfigError(
            f"{study.place}: runs of this study began with another prediction, which is in study.json; "
            "go on with that one, or choose a new study=NAME"
        )


def states(study: Study, events: list[ledger.Event] | None = None) -> list[State]:
    """Return the state of each run, in the order of the plan, from the files on disk."""
    newest = ledger.last(ledger.read(study.ledger) if events is None else events)
    return [_state(study, run, newest.get(run.name)) for run in study.runs]


def _state(study: Study, run: PlannedRun, newest: ledger.Event | None) -> State:
    done = read_done(study.folder(run), run.content_hash)
    if done is not None:
        return State("done", seconds=done.get("seconds"))
    if study.lock(run).exists():
        with held(study.lock(run)) as is_free:
            if not is_free:
                return State("running")
    if newest is None or newest.event == "planned":
        return State("missing")
    if newest.event == "failed":
        return State("failed", newest.reason, newest.seconds)
    if newest.event == "done":
        return State("missing", "its files are not as they were written")
    return State("interrupted", newest.reason, newest.seconds)


def seconds_left(states: Sequence[State], workers: int) -> float | None:
    """Estimate the seconds until all runs are done: the mean time of a run, a running one counts half."""
    known = [s.seconds for s in states if s.kind == "done" and s.seconds is not None]
    if not known or workers < 1:
        return None
    left = sum({"done": 0.0, "running": 0.5}.get(state.kind, 1.0) for state in states)
    rounds = max(left / workers, min(left, 1.0))
    return math.fsum(known) / len(known) * rounds


def lines(study: Study, now: Sequence[State]) -> list[str]:
    """Return one line per run that is not done, and the counts."""
    unfinished = [
        f"{run.name}: {state.kind}" + (f" ({state.reason})" if state.reason else "")
        for run, state in zip(study.runs, now, strict=True)
        if state.kind != "done"
    ]
    kinds = sorted(state.kind for state in now)
    counts = ", ".join(f"{len(list(same))} {kind}" for kind, same in itertools.groupby(kinds))
    return [*unfinished, f"study {study.name}: {len(now)} runs: {counts}"]
