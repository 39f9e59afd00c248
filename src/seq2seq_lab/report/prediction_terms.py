"""The scores that a test of a prediction combines: for each arm the sum of its terms, by seed and by sentence."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from seq2seq_lab.metrics.accuracy import length_quarters
from seq2seq_lab.metrics.interval import Values
from seq2seq_lab.metrics.metric import Array, Metric
from seq2seq_lab.report.analysis import metric_of, same_sentences
from seq2seq_lab.report.records import Records, Run
from seq2seq_lab.report.resampling import influence
from seq2seq_lab.report.statistics_cache import sentence_statistics
from seq2seq_lab.study.prediction_schema import Part, Term, is_of_sentences


@dataclass(frozen=True)
class RunTerm:
    """`times` the score of one run on the sentences at `places`, whose vectors are `statistics`, (places, width)."""

    times: float
    score: float
    metric: Metric
    places: Sequence[int]
    statistics: Array

    def influences(self, sentences: int) -> Array:
        """Return the jackknife values of all sentences, (sentences,): 0 outside the part.

        The mean over a part of n sentences is a mean over all N of values that are N / n times as large. The root says
        the same of the variance, whose divisors are n (n - 1) and N (N - 1).
        """
        size = len(self.places)
        scale = math.sqrt(sentences * (sentences - 1) / (size * (size - 1)))
        found = np.zeros(sentences)
        found[self.places] = self.times * scale * influence(self.metric, self.statistics)
        return found

    def resampled(self, draws: Array) -> Values:
        """Return the number under draws of all sentences, (samples, sentences), in sacreBLEU's precision."""
        sums = draws[:, self.places] @ self.statistics
        return self.times * self.metric.library_score(sums.astype(np.float32))


@dataclass(frozen=True)
class ArmSum:
    """The sum of an arm's terms for each seed, (seeds,); arms with the same `models` are the same trained models.

    `terms` are those of each run, their places among the sentences of the test; empty unless sentences determine the
    metric and all arms have the same ones.
    """

    models: tuple[object, ...]
    seeds: tuple[int, ...]
    values: Array
    terms: tuple[tuple[RunTerm, ...], ...] = ()
    num_sentences: int = 0

    @property
    def influences(self) -> Array:
        """The jackknife values of the sum, (seeds, sentences); there must be `terms`."""
        rows = [sum(term.influences(self.num_sentences) for term in row) for row in self.terms]
        return np.array(rows)


def arm_sums(
    records: Records, key: str, terms: Sequence[Term], arms: Sequence[str]
) -> tuple[list[ArmSum], str]:
    """Return the sums of the arms, in the order in which `arms`, those of the terms, name them first.

    There are none if an arm has no run or a number is not known; then the text says why. `key` is the name of the
    number in result.json.
    """
    own: dict[str, list[Term]] = {}
    for term, arm in zip(terms, arms, strict=True):
        own.setdefault(arm, []).append(term)
    runs = [run for arm in own for run in records.arms[arm]]
    if not all(records.arms[arm] for arm in own):
        return [], ""
    split, _, name = key.rpartition("/")
    is_counted = split == records.split and is_of_sentences(name)
    metric = metric_of(runs, name) if is_counted else None
    has_part = any(term.part is not None for term in terms)
    if not has_part and (text := _lacking(runs, key)):
        return [], text
    if metric is None:
        if has_part:
            return [], f"{key} of a part is not known: its runs were counted in different ways"
        times = {arm: math.fsum(term.times for term in found) for arm, found in own.items()}
        return [
            ArmSum(*_who(records, arm), np.array([k * run.result[key] for run in records.arms[arm]]))
            for arm, k in times.items()
        ], ""  # fmt: skip
    found = {
        arm: [_run_terms(run, metric, key, own[arm]) for run in records.arms[arm]] for arm in own
    }
    return _sums(records, runs, found, terms)


def _lacking(runs: Sequence[Run], key: str) -> str:
    """Return which runs have no such number; if none has it, which numbers there are."""
    lacking = [run.name for run in runs if not math.isfinite(run.result.get(key, math.nan))]
    if not lacking:
        return ""
    if len(lacking) < len(runs):
        return f"no {key} in {', '.join(lacking)}"
    return f"no run has {key}; there are {', '.join(sorted(runs[0].result))}"


def _who(records: Records, arm: str) -> tuple[tuple[object, ...], tuple[int, ...]]:
    """Return what identifies the trained models of an arm, and its seeds."""
    models = tuple(run.model for run in records.arms[arm])
    return models if all(models) else (arm,), tuple(run.seed for run in records.arms[arm])


def _run_terms(run: Run, metric: Metric, key: str, terms: Sequence[Term]) -> tuple[RunTerm, ...]:
    statistics, found = sentence_statistics(metric, [run])[0], []
    for term in terms:
        places = places_of(run, term.part)
        rows = statistics[places]
        of_part = float(metric.score(rows.sum(0, keepdims=True))[0])
        score = run.result[key] if term.part is None else of_part
        found.append(RunTerm(term.times, score, metric, places, rows))
    return tuple(found)


def places_of(run: Run, part: Part | None) -> list[int]:
    """Return which test sentences of a run a part has."""
    sources = [one.source for one in run.translated]
    if part is None:
        return list(range(len(sources)))
    if part.quarter:
        return (length_quarters(sources) + [[]] * 4)[part.quarter - 1]
    return [i for i, text in enumerate(sources) if part.low <= len(text.split()) <= part.high]


def _sums(
    records: Records,
    runs: Sequence[Run],
    found: dict[str, list[tuple[RunTerm, ...]]],
    terms: Sequence[Term],
) -> tuple[list[ArmSum], str]:
    every = [term for rows in found.values() for row in rows for term in row]
    if (fewest := min(len(term.places) for term in every)) < 2:
        named = ", ".join(dict.fromkeys(str(term.part) for term in terms if term.part))
        return [], f"a part has {fewest} test sentences: {named or 'all of them'}"
    if not all(math.isfinite(term.score) for term in every):
        return [], f"{every[0].metric.label} of a part is not defined: its references are empty"
    used = sorted({place for term in every for place in term.places})
    is_paired = same_sentences(runs)
    sums = []
    for arm, rows in found.items():
        values = np.array([math.fsum(term.times * term.score for term in row) for row in rows])
        moved = tuple(
            tuple(replace(t, places=np.searchsorted(used, t.places).tolist()) for t in row)
            for row in rows
        )
        more = (moved, len(used)) if is_paired else ()
        sums.append(ArmSum(*_who(records, arm), values, *more))
    return sums, ""
