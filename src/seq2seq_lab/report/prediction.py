"""Judges what a study was expected to show: each test of its prediction is confirmed, refuted or undecided.

A test is a linear combination of scores, sum of times x score(arm, part of the sentences). Terms of one arm share its
models, so they are combined for each seed first; the arms are then pieces of one variance as in a difference of two
(spread.py, docs/statistics.md). Sentences are paired between all terms. Schema: study/prediction_schema.py.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.metrics.interval import middle, sentence_draws
from seq2seq_lab.metrics.metric import Array
from seq2seq_lab.metrics.table import bounds_of
from seq2seq_lab.report.bounds import bounded
from seq2seq_lab.report.prediction_terms import ArmSum, arm_sums
from seq2seq_lab.report.records import AGAIN, Records
from seq2seq_lab.report.spread import spread_of_sum
from seq2seq_lab.report.statistics import NO_SENTENCES, ONE_SEED, Interval
from seq2seq_lab.stored_text import read_yaml
from seq2seq_lab.study.prediction import SEARCH, arm_of
from seq2seq_lab.study.prediction_schema import Expectation, Judge, parsed

CONFIRMED, REFUTED, UNDECIDED = "confirmed", "refuted", "undecided"
_EQUAL = 1e-9
"""A number so near to a bound, relative to it, lies on the bound: differences of percentages are rounded."""
_MOST_RUNS = 6


@dataclass(frozen=True)
class Tested:
    """One test: the estimate, its 95 % interval (of `each_seed` the lowest and the highest seed), and the verdict."""

    says: str
    verdict: str
    value: float
    low: float
    high: float
    wanted: str
    note: str
    judge: Judge = "interval"
    metric: str = ""


@dataclass(frozen=True)
class Verdict:
    """Refuted if any test is, confirmed if all are, else undecided."""

    verdict: str
    tests: tuple[Tested, ...]


def judge(records: Records, prediction: Mapping[str, Any]) -> Verdict:
    """Judge every test by the runs that are done; the metric of `records` is that of tests which name none.

    Raises `ConfigError` for a prediction that does not fit the study, and for runs made under another one.
    """
    found = parsed(prediction)
    _refuse_changed(records, prediction)
    tests = tuple(_tested(records, found.seeds, test) for test in found.tests)
    verdicts = {test.verdict for test in tests}
    if REFUTED in verdicts:
        return Verdict(REFUTED, tests)
    return Verdict(CONFIRMED if verdicts == {CONFIRMED} else UNDECIDED, tests)


def _refuse_changed(records: Records, prediction: Mapping[str, Any]) -> None:
    """Raise `ConfigError` if a run's own config holds another prediction: one that changes with the results is none."""
    names = dict.fromkeys(run.name.partition("/")[0] for run in records.runs)
    for path in (records.place / "runs" / name / "config.yaml" for name in names):
        if path.is_file() and read_yaml(path, ConfigError, AGAIN).get("prediction") != prediction:
            raise ConfigError(
                f"{path}: this run was made under another prediction than {records.place / 'study.json'} holds, or "
                "under none; one that is changed afterwards is none. Put the old one back, or run a new study=NAME"
            )


def _tested(records: Records, seeds: int, test: Expectation) -> Tested:
    metric = test.metric or records.metric
    key = metric if "/" in metric else f"{records.split}/{metric}"
    factors = {run.arm: run.factors for run in records.runs}
    factors |= {run.arm: run.factors for run in records.unfinished}
    nan = math.nan
    if unknown := _unknown_search(records, test):
        return Tested(test.says, UNDECIDED, nan, nan, nan, test.wanted, unknown, test.judge, key)
    arms = [arm_of(term.arm, factors, term.path) for term in test.terms]
    sums, unknown = arm_sums(records, key, test.terms, arms)
    missing = _missing(records, arms, seeds)
    interval = _interval(test, key, sums) if sums else Interval(nan, nan, nan, nan)
    verdict = _decided(test, interval, sums) if sums and not missing else UNDECIDED
    note = "; ".join(text for text in (*missing, unknown, interval.note) if text)
    numbers = interval.mean, interval.low, interval.high
    return Tested(test.says, verdict, *numbers, test.wanted, note, test.judge, key)


def _unknown_search(records: Records, test: Expectation) -> str:
    """Return which searches no run has been decoded by; empty if there is none."""
    known = records.factors.get(SEARCH, ())
    named = dict.fromkeys(str(term.arm[SEARCH]) for term in test.terms if SEARCH in term.arm)
    return ", ".join(f"no run is decoded by {SEARCH}={name}" for name in named if name not in known)


def _missing(records: Records, arms: Sequence[str], seeds: int) -> list[str]:
    """Return which planned runs of these arms are not done, and which arms have fewer planned than they need."""
    found = []
    for arm in dict.fromkeys(arms):
        left = [run for run in records.unfinished if run.arm == arm]
        if left:
            named = ", ".join(f"seed {run.seed} {run.state}" for run in left[:_MOST_RUNS])
            more = f" and {len(left) - _MOST_RUNS} more" * (len(left) > _MOST_RUNS)
            found.append(f"{arm}: {named}{more}")
        elif len(records.arms[arm]) < seeds:
            found.append(f"{arm} has {len(records.arms[arm])} of {seeds} seeds")
    return found


# the estimate and its interval


def _interval(test: Expectation, key: str, sums: Sequence[ArmSum]) -> Interval:
    """Return estimate and interval; of `each_seed` the lowest and the highest value of a seed."""
    value, nan = float(sum(one.values.mean() for one in sums)), math.nan
    if test.judge == "each_seed":
        by_seed = _by_seed(sums)
        if by_seed is None:
            return Interval(value, nan, nan, nan, "the arms have other seeds: no pairs")
        note = ", ".join(f"{v:.4g}" for v in by_seed)
        return Interval(value, nan, float(by_seed.min()), float(by_seed.max()), f"by seed: {note}")
    sizes = {len(one.seeds) for one in sums}
    if 1 in sizes:
        low, high = _resampled(sums) if sizes == {1} else (nan, nan)
        return Interval(value, nan, low, high, ONE_SEED)
    groups: dict[tuple[object, ...], list[ArmSum]] = {}
    for one in sums:
        groups.setdefault(one.models, []).append(one)
    values = [np.sum([one.values for one in group], axis=0) for group in groups.values()]
    influences = None
    if all(one.terms for one in sums):
        influences = [
            np.sum([one.influences for one in group], axis=0) for group in groups.values()
        ]
    half = spread_of_sum(values, influences).half_width()
    note = NO_SENTENCES if influences is None else ""
    interval = Interval(value, nan, value - half, value + half, note)
    is_score = len(test.terms) == 1 and test.terms[0].times == 1.0
    return bounded(interval, bounds_of(key)) if is_score else interval


def _by_seed(sums: Sequence[ArmSum]) -> Array | None:
    """Return the combination of each seed, (seeds,); None if the arms have not the same seeds."""
    if len({one.seeds for one in sums}) > 1:
        return None
    total: Array = np.sum([one.values for one in sums], axis=0)
    return total


def _resampled(sums: Sequence[ArmSum]) -> tuple[float, float]:
    """Return the interval over sentences of one run for each arm, by sacreBLEU's bootstrap; NaN if there is none."""
    if not all(one.terms for one in sums):
        return math.nan, math.nan
    draws = sentence_draws(sums[0].num_sentences)
    scores = [term.resampled(draws) for one in sums for term in one.terms[0]]
    return middle(np.sum(scores, axis=0))


# the decision


def _decided(test: Expectation, interval: Interval, sums: Sequence[ArmSum]) -> str:
    if test.judge == "mean":
        return _of_range(test, interval.mean, interval.mean)
    if test.judge == "interval":
        return _of_range(test, interval.low, interval.high)
    by_seed = _by_seed(sums)
    if by_seed is None:
        return UNDECIDED
    return CONFIRMED if all(_of_range(test, v, v) == CONFIRMED for v in by_seed) else REFUTED


def _of_range(test: Expectation, low: float, high: float) -> str:
    """Return what a range says: all of it within the bounds, all of it outside, or neither."""
    if math.isnan(low) or math.isnan(high):
        return UNDECIDED
    least, most = _moved(test.at_least, -_EQUAL), _moved(test.at_most, _EQUAL)
    if least <= low and high <= most:
        return CONFIRMED
    return REFUTED if high < least or low > most else UNDECIDED


def _moved(bound: float, share: float) -> float:
    return bound + share * max(1.0, abs(bound)) if math.isfinite(bound) else bound
