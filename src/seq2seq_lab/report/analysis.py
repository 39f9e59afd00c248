"""All numbers of a report: scores of the arms, differences to the baseline, and both by source length."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from seq2seq_lab.metrics.accuracy import length_quarters
from seq2seq_lab.metrics.metric import Metric
from seq2seq_lab.metrics.table import METRICS, bounds_of
from seq2seq_lab.report.bounds import bounded
from seq2seq_lab.report.rarity import RarityRow, is_defined, rarity_rows
from seq2seq_lab.report.records import Records, Run
from seq2seq_lab.report.statistics import (
    Comparison,
    Interval,
    Scores,
    compare,
    holm,
    over_seeds,
    over_seeds_and_sentences,
    scores_of,
)
from seq2seq_lab.report.statistics_cache import sentence_statistics


@dataclass(frozen=True)
class ArmRow:
    """One arm under one metric; `comparison` is None for the baseline and for an arm without a run."""

    metric: str
    arm: str
    seeds: tuple[int, ...]
    interval: Interval
    parameters: float
    comparison: Comparison | None = None
    p_holm: float = math.nan


@dataclass(frozen=True)
class LengthRow:
    """One arm on one quarter of the sentences by the length of a side (in characters, as exact_match_length_q1)."""

    metric: str
    arm: str
    quarter: int
    sentences: int
    shortest: int
    longest: int
    seeds: tuple[int, ...]
    interval: Interval
    comparison: Comparison | None = None
    p_holm: float = math.nan


@dataclass(frozen=True)
class Analysis:
    """All numbers of a report. The first row of `table` is the baseline; `others` holds further metrics.

    `scores` maps a metric's name and an arm to what the rows were made from.
    """

    table: list[ArmRow]
    others: list[ArmRow]
    by_length: list[LengthRow]
    scores: dict[str, dict[str, Scores]]
    by_target_length: list[LengthRow] = field(default_factory=list)
    by_rarity: list[RarityRow] = field(default_factory=list)


def analyse(records: Records) -> Analysis:
    """Compute the tables of a study; arms without a finished run are left out."""
    name = records.metric.partition("/")[2]
    further = [m for m in METRICS if m != name and _known_everywhere(records, m)]
    scores = {metric: arm_scores(records, metric) for metric in (name, *further)}
    others = [row for metric in further for row in _table(records, metric, scores[metric])]
    sides = [[], []] if not records.runs else [
        [getattr(t, side) for t in records.runs[0].translated] for side in ("source", "reference")
    ]  # fmt: skip
    return Analysis(
        _table(records, name, scores[name]), others, _by_length(records, scores, sides[0]), scores,
        _by_length(records, scores, sides[1]), rarity_rows(records),
    )  # fmt: skip


def analyse_declared(records: Records) -> Analysis:
    """Compute the main table and the scores by source length, under the metric of the study alone."""
    name = records.metric.partition("/")[2]
    scores = {name: arm_scores(records, name)}
    sources = [t.source for t in records.runs[0].translated] if records.runs else []
    return Analysis(_table(records, name, scores[name]), [], _by_length(records, scores, sources), scores)  # fmt: skip


def _known_everywhere(records: Records, name: str) -> bool:
    return all(f"{records.split}/{name}" in run.result for run in records.runs)


def metric_of(runs: Sequence[Run], name: str) -> Metric | None:
    """Return the row of METRICS if sentences determine the metric and all runs made it in the same way."""
    if name not in METRICS or not all(run.translated for run in runs):
        return None
    signatures = {run.signatures.get(name, "") for run in runs}
    unknown = METRICS[name].needs_signature and "" in signatures
    return METRICS[name].made_as(signatures.pop()) if len(signatures) == 1 and not unknown else None


def same_sentences(runs: Iterable[Run]) -> bool:
    """Tell whether all runs translated the same sources with the same references."""
    return len({tuple((t.source, t.references) for t in run.translated) for run in runs}) == 1


def arm_scores(records: Records, name: str) -> dict[str, Scores]:
    """Return the scores of each arm that has a run with this metric."""
    key = f"{records.split}/{name}"
    usable = [run for run in records.runs if math.isfinite(run.result.get(key, math.nan))]
    metric = metric_of(usable, name) if same_sentences(usable) else None
    sums = None if metric is None else sentence_statistics(metric, usable)
    found = {}
    for arm in dict.fromkeys(run.arm for run in usable):
        rows = [i for i, run in enumerate(usable) if run.arm == arm]
        values = np.array([usable[i].result[key] for i in rows])
        seeds = tuple(usable[i].seed for i in rows)
        counted = None if sums is None else sums[rows]
        models = tuple(usable[i].model for i in rows)
        known = models if all(models) else ()
        found[arm] = Scores(seeds, values, metric, counted, known)
    return found


def _table(records: Records, name: str, scores: dict[str, Scores]) -> list[ArmRow]:
    if not scores:
        return []
    baseline = next(iter(scores.values()))
    rows = []
    for arm, found in scores.items():
        parameters = {run.result.get("model/parameters", math.nan) for run in records.arms[arm]}
        size = parameters.pop() if len(parameters) == 1 else math.nan
        comparison = None if found is baseline else compare(baseline, found)
        key = f"{records.split}/{name}"
        interval = _within(over_seeds(found), found, name)
        rows.append(ArmRow(key, arm, found.seeds, interval, size, comparison))
    return [replace(row, p_holm=p) for row, p in zip(rows, _corrected(rows), strict=True)]


def _within(interval: Interval, scores: Scores, metric: str) -> Interval:
    """Return an interval within the bounds of its metric; that of one seed lies there, since it resamples sentences."""
    return interval if len(scores.seeds) == 1 else bounded(interval, bounds_of(metric))


def _corrected(rows: list[ArmRow] | list[LengthRow]) -> list[float]:
    return holm([math.nan if r.comparison is None else r.comparison.p for r in rows])


def _by_length(
    records: Records, scores: dict[str, dict[str, Scores]], texts: list[str]
) -> list[LengthRow]:
    """Return the rows of the first metric that sentences determine; none if sentences differ between arms."""
    for name, arms in scores.items():
        whole = [one for one in arms.values() if one.statistics is not None]
        if whole and whole[0].metric is not None:
            return _length_rows(texts, f"{records.split}/{name}", whole[0].metric, arms)
    return []


def _length_rows(
    texts: list[str], key: str, metric: Metric, arms: dict[str, Scores]
) -> list[LengthRow]:
    rows = []
    for quarter, places in enumerate(length_quarters(texts), 1):
        lengths = [len(texts[i]) for i in places]
        baseline: Scores | None = None
        for arm, found in arms.items():
            if found.statistics is None:
                continue
            part = scores_of(metric, found.seeds, found.statistics[:, places])
            part = replace(part, models=found.models)
            if not is_defined(part):
                continue
            comparison = (
                None if baseline is None else compare(baseline, part, with_resampling=False)
            )
            baseline = baseline or part
            interval = _within(over_seeds_and_sentences(part), part, metric.name)
            rows.append(LengthRow(key, arm, quarter, len(places), min(lengths), max(lengths), found.seeds, interval,
                                  comparison))  # fmt: skip
    return [replace(row, p_holm=p) for row, p in zip(rows, _corrected(rows), strict=True)]
