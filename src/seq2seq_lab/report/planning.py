"""How many seeds and sentences an effect needs: power from the variance that a pilot study found.

A pilot gives for each arm the variance of a run's score between seeds, how much of it shrinks with more sentences (what
seeds and sentences do together), and the variance that sentences add to the difference. The power of the test of
spread.py at other numbers follows by integration over what n seeds will estimate; variances that many sentences
estimate are taken as known. docs/statistics.md has the check by simulation.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import chdtri, ndtr

from seq2seq_lab.config.problems import closest
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.report.analysis import arm_scores
from seq2seq_lab.report.records import Records
from seq2seq_lab.report.spread import SeedPiece, Spread, spread
from seq2seq_lab.report.statistics import Scores, influences_of, same_sentences

MOST_SEEDS = 1000
MANY_TIMES = 1000
"""So many times the pilot's sentences stand for as many as anybody can have."""
_POINTS = 24
"""Quantiles of each arm's estimate in the integral."""
_RANGE = 0.8
"""The probability of the interval of the pilot's variance between seeds."""


@dataclass(frozen=True)
class Pilot:
    """Variances of two arms: of a run's score between seeds, and `together`, the part of it that sentences shrink.

    `sentences` is the variance that the sentences add to the difference; 0 where they do not determine the metric.
    """

    seeds: tuple[float, float]
    together: tuple[float, float]
    sentences: float
    num_seeds: tuple[int, int]
    num_sentences: int

    def at(self, num_seeds: int, num_sentences: int) -> Spread:
        """Return the true variances of a study with so many seeds for each arm and so many sentences."""
        share = self.num_sentences / num_sentences
        arms = [
            SeedPiece((own - both + both * share) / num_seeds, both * share / num_seeds, num_seeds)
            for own, both in zip(self.seeds, self.together, strict=True)
        ]
        return Spread(tuple(arms), self.sentences * share, num_sentences)

    def range_of_seeds(self) -> tuple["Pilot", "Pilot"]:
        """Return the pilot with the smallest and the largest variance between seeds of its 80 % interval."""
        variances, degrees = np.array(self.seeds), np.array(self.num_seeds) - 1.0
        total = variances.sum()
        df = total**2 / (variances**2 / degrees).sum() if total > 0.0 else degrees.sum()
        ends = []
        for tail in ((1.0 - _RANGE) / 2, (1.0 + _RANGE) / 2):
            factor = df / float(chdtri(df, tail))
            first, second = (
                max(own * factor, both) for own, both in zip(self.seeds, self.together, strict=True)
            )
            ends.append(replace(self, seeds=(first, second)))
        return ends[0], ends[1]


def pilot_of(baseline: Scores, arm: Scores) -> Pilot:
    """Return the variances of two arms with two seeds or more each."""
    scores = (arm, baseline)
    influences = [one for one in map(influences_of, scores) if one is not None]
    known = len(influences) == 2 and same_sentences(baseline, arm)
    found = spread([one.values for one in scores], influences if known else None)
    first, second = found.arms
    return Pilot(
        (first.raised * first.num_seeds, second.raised * second.num_seeds),
        (first.together * first.num_seeds, second.together * second.num_seeds),
        found.sentences,
        (first.num_seeds, second.num_seeds),
        found.num_sentences,
    )


def power(truth: Spread, effect: float) -> float:
    """Return how often the interval leaves out 0 if the difference is `effect` and these are the true variances."""
    error, found = math.sqrt(truth.total), 0.0
    if error == 0.0:
        return float(effect != 0.0)
    estimates = [_estimates(arm) for arm in truth.arms]
    for pieces in itertools.product(*estimates):
        width = replace(truth, arms=pieces).half_width()
        found += float(ndtr((effect - width) / error) + ndtr((-effect - width) / error))
    return found / math.prod(map(len, estimates))


def _estimates(arm: SeedPiece) -> list[SeedPiece]:
    """Return estimates of the same probability: what the arm's seeds may say of its variance."""
    df, tails = arm.num_seeds - 1.0, (np.arange(_POINTS) + 0.5) / _POINTS
    return [replace(arm, variance=arm.variance * float(chdtri(df, tail)) / df) for tail in tails]


def seeds_needed(pilot: Pilot, effect: float, asked: float, num_sentences: int) -> int | None:
    """Return the smallest number of seeds for each arm that has the power, or None if 1,000 have not."""
    return _smallest(
        lambda seeds: power(pilot.at(seeds, num_sentences), effect) >= asked, 2, MOST_SEEDS
    )


def sentences_needed(pilot: Pilot, effect: float, asked: float, num_seeds: int) -> int | None:
    """Return the smallest number of sentences that has the power with these seeds, or None if no number has."""
    most = MANY_TIMES * pilot.num_sentences
    return _smallest(lambda size: power(pilot.at(num_seeds, size), effect) >= asked, 2, most)


def _smallest(is_enough: Callable[[int], bool], low: int, high: int) -> int | None:
    """Search upwards by doubling, then halve: with two seeds power falls a little where sentences are very many."""
    step = low
    while not is_enough(step):
        if step == high:
            return None
        low, step = step + 1, min(2 * step, high)
    high = step
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle + 1, high)
    return low


@dataclass(frozen=True)
class Cost:
    """Runs of a plan and those to be trained; hours one after another, at the pilot's mean, None if that is unknown."""

    runs: int
    runs_left: int
    hours: float | None
    hours_left: float | None


@dataclass(frozen=True)
class Plan:
    """What an effect needs. `table` has (seeds for each arm, sentences, power); None stands for no number.

    `range` holds the seeds needed at the ends of the pilot's uncertainty; `fewest` is the pilot's smaller arm, and
    `sentences` what that many seeds need.
    """

    arm: str
    baseline: str
    pilot: Pilot
    table: list[tuple[int, int, float]]
    seeds: int | None
    range: tuple[int | None, int | None]
    fewest: int
    sentences: int | None
    cost: Cost | None


def plans(
    records: Records,
    arm: str | None,
    effect: float,
    asked: float,
    sizes: tuple[Sequence[int], Sequence[int]],
) -> tuple[list[Plan], list[str]]:
    """Return the plan of each arm (or of one) against the baseline, and why some arms have none.

    `sizes` are the seeds of the table, and how many times the pilot's sentences. Raises `ConfigError` if no arm can be
    planned.
    """
    names = _arms(records, arm)
    scores = arm_scores(records, records.metric.partition("/")[2])
    found, reasons = [], []
    for name in names[1:]:
        pair = (names[0], name)
        lonely = [one for one in pair if one not in scores or len(scores[one].seeds) < 2]
        if lonely:
            says = "which says nothing about the variance between seeds; train 2 or better 3"
            reasons.append(f"{lonely[0]}: fewer than 2 seeds have {records.metric}, {says}")
            continue
        both = (scores[names[0]], scores[name])
        found.append(_plan(records, pair, both, effect, asked, sizes))
    if not found:
        raise ConfigError(reasons[0])
    return found, list(dict.fromkeys(reasons))


def _arms(records: Records, arm: str | None) -> list[str]:
    """Return the baseline and the arms to be planned; raises `ConfigError` if there are none."""
    study, names = f"study {records.name}", [name for name, runs in records.arms.items() if runs]
    if len(records.arms) < 2:
        raise ConfigError(f"{study}: has one arm; a plan needs a baseline and another")
    if len(names) < 2:
        text = f"{study}: {len(names)} arms have a finished run; a plan needs two"
        raise ConfigError(f"{text}; seq2seq-lab status {records.place} says why")
    if arm is None:
        return names
    if arm not in names[1:]:
        text = f"--arm {arm}: no arm with finished runs beside the baseline"
        guess = closest(arm, names[1:])
        raise ConfigError(f"{text}{guess}; there are {', '.join(names[1:])}")
    return [names[0], arm]


def _plan(
    records: Records,
    names: tuple[str, str],
    scores: tuple[Scores, Scores],
    effect: float,
    asked: float,
    sizes: tuple[Sequence[int], Sequence[int]],
) -> Plan:
    pilot = pilot_of(*scores)
    size, fewest = pilot.num_sentences, min(pilot.num_seeds)
    has_sentences = size > 1
    table = [
        (seeds, times * size, power(pilot.at(seeds, times * size), effect))
        for seeds in sizes[0]
        for times in (sizes[1] if has_sentences else (1,))
    ]
    needed = seeds_needed(pilot, effect, asked, size)
    low, high = (seeds_needed(end, effect, asked, size) for end in pilot.range_of_seeds())
    more = sentences_needed(pilot, effect, asked, fewest) if has_sentences else None
    cost = None if needed is None else _cost(records, names, needed)
    return Plan(names[1], names[0], pilot, table, needed, (low, high), fewest, more, cost)


def _cost(records: Records, names: tuple[str, str], needed: int) -> Cost:
    """Return the runs of a plan and their hours, by the pilot's mean for each arm."""
    missing = [max(needed - len(records.arms[name]), 0) for name in names]
    means = []
    for name in names:
        seconds = [run.seconds for run in records.arms[name] if math.isfinite(run.seconds)]
        means.append(math.fsum(seconds) / len(seconds) / 3600.0 if seconds else math.nan)
    hours, left = needed * math.fsum(means), float(np.dot(means, missing))
    is_known = math.isfinite(hours)
    return Cost(2 * needed, sum(missing), hours if is_known else None, left if is_known else None)
