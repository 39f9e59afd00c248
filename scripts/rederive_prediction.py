"""The tests of a prediction for scripts/rederive.py: estimates, intervals and verdicts from the stored texts again."""

import json
import math
from pathlib import Path

import numpy as np

from rederive_formulas import half_width, jackknife, middle_95, resampled, variances, within
from rederive_runs import Run, parse, quarters


def planned(place: Path) -> dict:
    """Return study.json."""
    path = place / "study.json"
    return parse(path.read_text(encoding="utf-8"), path) if path.exists() else {}


def check_prediction(study: dict, runs: dict[str, Run], rows: list[dict], found) -> None:
    """Check estimate, interval and verdict of every test of the prediction; `runs` are the finished ones by name."""
    for row, numbers in zip(rows, derived_tests(study, runs, rows), strict=True):
        place = f"prediction.csv, {row['test']}"
        verdict = numbers.pop("verdict")
        found.compare(place, row, numbers)
        found.count += 1
        if row["verdict"] != verdict:
            found.wrong.append(f"{place}: {row['verdict']} is written, {verdict} is derived")


def derived_tests(study: dict, runs: dict[str, Run], rows: list[dict]) -> list[dict]:
    """Return for each test of the prediction its value, ends and verdict."""
    tests = study["prediction"]["tests"]
    return [_derived(study, runs, test, row) for test, row in zip(tests, rows, strict=True)]


def _derived(study: dict, runs: dict[str, Run], test: dict, row: dict) -> dict:
    terms = test.get("sum")
    if terms is None:
        terms = [{"times": k, "arm": test[key], "part": test.get("part")}
                 for key, k in (("arm", 1), ("minus", -1)) if key in test]  # fmt: skip
    planned_runs = [_planned(study, term["arm"], runs) for term in terms]
    done = [[runs[name] for name in names if name in runs] for names in planned_runs]
    if not all(done):
        return {"value": None, "low": None, "high": None, "verdict": "undecided"}
    is_whole = all(len(names) == len(found) >= study["prediction"].get("seeds", 1)
                   for names, found in zip(planned_runs, done, strict=True))  # fmt: skip
    judge = test.get("judge", "interval")
    numbers = _numbers(terms, done, row, judge)
    by_seed = numbers.pop("by_seed")
    points = {
        "interval": [numbers["low"], numbers["high"]],
        "mean": [numbers["value"]],
        "each_seed": by_seed,
    }[judge]
    return {**numbers, "verdict": _verdict(test, points, judge) if is_whole else "undecided"}


def _planned(study: dict, wanted: dict, runs: dict[str, Run]) -> list[str]:
    """Return the planned runs whose factors have these values, as texts or as numbers; of a search, its names."""

    def same(value, text: str) -> bool:
        word = json.dumps(value) if value is None or isinstance(value, bool) else str(value)
        try:
            return float(word) == float(text)
        except ValueError:
            return word == text

    search = None if "search" in study["factors"] else wanted.get("search")
    factors = {k: v for k, v in wanted.items() if search is None or k != "search"}
    names = [
        run["run"]
        for run in study["runs"]
        if all(k in run["factors"] and same(v, run["factors"][k]) for k, v in factors.items())
    ]
    own = [name for name in names if name in runs and runs[name].search == search]
    return names if search is None else own or [f"{name}/{search}" for name in names]


def _places(rows: list[dict], part: dict | None) -> list[int]:
    sources = [row["source"] for row in rows]
    if not part:
        return list(range(len(sources)))
    if "source_quarter" in part:
        return sorted(quarters(sources)[part["source_quarter"] - 1])
    low, high = part["source_length"]
    return [i for i, text in enumerate(sources) if low <= len(text.split()) <= high]


def _numbers(terms: list[dict], done: list[list[Run]], row: dict, judge: str) -> dict:
    """Return estimate and ends; the terms of one run are added first, then runs are pieces of their arms."""
    values = _values(terms, done, row["metric"])
    single = all(len(found) == 1 for found in done)
    parts, trials = _by_sentence(terms, done, row["metric"], single=single)
    arms = {found[0].name: found for found in done}  # terms of one arm have the same runs
    models: dict[tuple, list[list[Run]]] = {}
    for found in arms.values():
        models.setdefault(tuple(run.model for run in found), []).append(found)
    pieces = [list(zip(*same, strict=True)) for same in models.values()]  # searches of one model
    groups = [[sum(values[run.name] for run in one) for one in piece] for piece in pieces]
    value = sum(float(np.mean(group)) for group in groups)
    seeds = {tuple(run.seed for run in found) for found in arms.values()}
    by_seed = [sum(column) for column in zip(*groups, strict=True)] if len(seeds) == 1 else None
    ends: tuple = (None, None)
    if judge == "each_seed":
        ends = (min(by_seed), max(by_seed)) if by_seed else ends
    elif min(map(len, groups)) > 1:
        stacked = (
            [np.array([sum(parts[run.name] for run in one) for one in piece]) for piece in pieces]
            if parts
            else None
        )
        half = half_width(variances(groups, stacked, (1,) * len(groups)))
        ends = value - half, value + half
        if len(terms) == 1 and terms[0]["times"] == 1:
            bounds = float(row["lowest"] or "-inf"), float(row["highest"] or "inf")
            ends = within(value, half, bounds)
    elif trials:
        ends = middle_95(sum(trials.values()))
    return {"value": value, "low": ends[0], "high": ends[1], "by_seed": by_seed}


def _values(terms: list[dict], done: list[list[Run]], metric: str) -> dict[str, float]:
    """Return the combination of each run, from its own texts."""
    split, _, name = metric.partition("/")
    values: dict[str, float] = {}
    for term, found in zip(terms, done, strict=True):
        for run in found:
            if term.get("part"):
                sums, score = run.derive(split, name)
                one = score(sums[_places(run.texts[split], term["part"])].sum(0))
            else:
                one = run.value(metric)
            values[run.name] = values.get(run.name, 0.0) + term["times"] * one
    return values


def _by_sentence(
    terms: list[dict], done: list[list[Run]], metric: str, *, single: bool
) -> tuple[dict, dict]:
    """Return by run the jackknife values, and of single runs the bootstrap's; empty without common sentences."""
    split, _, name = metric.partition("/")
    every = {run.name: run for found in done for run in found}.values()
    texts = {json.dumps([(t["source"], t["reference"], t.get("references")) for t in run.texts.get(split, [])])
             for run in every}  # fmt: skip
    made = {run.signatures.get(name) for run in every}
    if any(run.derive(split, name) is None for run in every) or len(texts) > 1 or len(made) > 1:
        return {}, {}
    chosen = [
        _places(found[0].texts[split], term.get("part"))
        for term, found in zip(terms, done, strict=True)
    ]
    used = {place: i for i, place in enumerate(sorted(set().union(*chosen)))}
    size, parts, trials = len(used), {}, {}
    for term, found, places in zip(terms, done, chosen, strict=True):
        here, n = [used[i] for i in places], len(places)
        for run in found:
            sums, score = run.derive(split, name)
            part, alone = np.zeros(size), np.zeros((size, sums.shape[1]))
            # a mean over n of the sentences has the variance of one over all of them of values so much larger
            part[here] = jackknife(sums[places], score) * math.sqrt(
                size * (size - 1) / (n * (n - 1))
            )
            parts[run.name] = parts.get(run.name, 0.0) + term["times"] * part
            alone[here] = sums[places]
            if single:
                trials[run.name] = trials.get(run.name, 0.0) + term["times"] * resampled(
                    alone, score
                )
    return parts, trials


def _verdict(test: dict, points: list | None, judge: str) -> str:
    if points is None or None in points:
        return "undecided"
    low, high = (test.get(key) if test.get(key) is not None else end
                 for key, end in (("at_least", -math.inf), ("at_most", math.inf)))  # fmt: skip
    below = [p < low - 1e-9 * max(1, abs(low)) if math.isfinite(low) else False for p in points]
    above = [p > high + 1e-9 * max(1, abs(high)) if math.isfinite(high) else False for p in points]
    if not any(below) and not any(above):
        return "confirmed"
    return "refuted" if judge == "each_seed" or all(below) or all(above) else "undecided"
