"""Compute every number of a study's report again from the stored hypotheses, without the package that wrote it.

python scripts/rederive.py outputs/studies/attention_vs_none
python scripts/rederive.py NAME.tar.xz [outputs/reports/NAME]    (a stored study, and the folder of its report)

Imports the standard library, numpy and sacreBLEU only. Corpus scores come from the stored texts, or from the counts
stored for each sentence (rederive_runs.py), intervals and p-values from rederive_formulas.py, the tests of a prediction
from rederive_prediction.py. Compares runs.csv, table.csv, comparisons.csv, by_length.csv, by_target_length.csv,
by_rarity.csv and prediction.csv to 1e-9; numbers that no text determines (losses, parameters) are compared with the
runs' result.json.
Exit code 0: all equal; 1: a list of what differs, or of metrics that have no formula here; 2: no report there; 3:
stored files that are damaged or do not belong together.
"""

import csv
import json
import math
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from rederive_archive import opened
from rederive_formulas import (
    half_width,
    holm,
    jackknife,
    middle_95,
    p_value,
    resampled,
    smallest_effect,
    variances,
    within,
)
from rederive_prediction import check_prediction, planned
from rederive_runs import Run, printable, quarters, same_models

TOLERANCE = 1e-9
TABLES = ("table.csv", "comparisons.csv")
BY_LENGTH = {"by_length.csv": "source", "by_target_length.csv": "reference"}
"""Tables by quarters of the length of a side."""


# the tables


def arm_numbers(
    values: list[float],
    sums: list | None,
    score,
    bounds: tuple[float, float],
    *,
    with_sentences: bool,
) -> dict:
    mean = float(np.mean(values))
    if len(values) > 1:
        parts = [jackknives(sums, score)] if with_sentences and sums else None
        low, high = within(mean, half_width(variances([values], parts)), bounds)
        return {"mean": mean, "sd": float(np.std(values, ddof=1)), "low": low, "high": high}
    if not sums:
        return {"mean": mean}
    low, high = middle_95(resampled(sums[0], score))
    return {"mean": mean, "low": low, "high": high}


def difference_numbers(base: dict, arm: dict, score, *, paired: bool) -> dict:
    """Compare two arms, each {seed: (value, sums or None)}; paired by seed where they are the same models."""
    fewest = min(len(base), len(arm))
    values = [[v for v, _ in one.values()] for one in (arm, base)]
    gap = float(np.mean(values[0]) - np.mean(values[1]))
    known = all(sums is not None for one in (base, arm) for _, sums in one.values())
    if fewest == 1:
        common = [seed for seed in base if seed in arm]
        if len(base) + len(arm) > 2:
            if not common:
                return {"difference": gap}
            base, arm = ({seed: one[seed] for seed in common} for one in (base, arm))
        return single_run_numbers(next(iter(base.values())), next(iter(arm.values())), score, known)
    parts = None
    if known:
        parts = [jackknives([s for _, s in one.values()], score) for one in (arm, base)]
    if paired:
        values = [[new - old for new, old in zip(*values, strict=True)]]
        parts = None if parts is None else [parts[0] - parts[1]]
    found = variances(values, parts)
    half = half_width(found)
    return {"difference": gap, "diff_low": gap - half, "diff_high": gap + half, "p": p_value(found, gap),
            "smallest_effect": smallest_effect(found)}  # fmt: skip


def single_run_numbers(base: tuple, arm: tuple, score, known: bool) -> dict:  # noqa: FBT001
    """Compare two runs, each (value, sums or None), by sacreBLEU's paired bootstrap."""
    gap = float(arm[0] - base[0])
    if not known:
        return {"difference": gap}
    trials = resampled(arm[1], score) - resampled(base[1], score)
    low, high = middle_95(trials)
    # the measured gap is sacreBLEU's own, of unsampled sums
    measured = abs(score(arm[1].sum(0)) - score(base[1].sum(0)))
    more = int((np.abs(trials) - np.abs(trials).mean() > measured).sum())
    p = (more + 1) / 1001 if trials.any() else 1.0
    return {"difference": gap, "diff_low": low, "diff_high": high, "p": p}


def jackknives(runs: list, score) -> np.ndarray:
    return np.array([jackknife(sums, score) for sums in runs])


def expected(runs: dict, row: dict, baseline: str, places: list[int] | None) -> dict:
    """Return the numbers of one row of a table; of by_length.csv if `places` names its sentences."""
    split, _, name = row["metric"].partition("/")
    members = [run for arm in (row["arm"], baseline) for run in runs[arm]]
    everyone = [run for arm in runs.values() for run in arm]
    texts = {
        json.dumps([(r["source"], r["reference"], r.get("references")) for r in run.texts[split]])
        for run in everyone
    }
    made = {run.signatures.get(name) for run in everyone}
    derived = [run.derive(split, name) for run in members]
    comparable = None not in derived and len(texts) == 1 and len(made) == 1
    score = derived[0][1] if comparable else None
    arms: dict = {}
    for run, found in zip(members, derived, strict=True):
        sums = found[0] if comparable else None
        sums = sums[places] if places is not None and sums is not None else sums
        value = score(sums.sum(0)) if places is not None else run.value(row["metric"])
        arms.setdefault(run.arm, {})[run.seed] = (value, sums)
    own = arms[row["arm"]]
    all_sums = [sums for _, sums in own.values()] if comparable else None
    bounds = float(row.get("lowest") or "-inf"), float(row.get("highest") or "inf")
    values = [v for v, _ in own.values()]
    numbers = arm_numbers(values, all_sums, score, bounds, with_sentences=places is not None)
    if row["arm"] != baseline:
        paired = same_models(runs[row["arm"]], runs[baseline])
        numbers |= difference_numbers(arms[baseline], own, score, paired=paired)
    return numbers


# the comparison


def read_csv(path: Path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def differs(text: str, value: float | None) -> bool:
    """Tell whether a field of a table is not this number; an empty field stands for no number."""
    known = value is not None and math.isfinite(value)
    if not text or not known:
        return bool(text) or known
    try:
        return abs(float(text) - value) > TOLERANCE * max(1.0, abs(value))
    except ValueError:
        return True


class Findings:
    """What was compared, what differs, and how many numbers of which metric were not derived."""

    def __init__(self) -> None:
        self.count, self.wrong, self.unknown = 0, [], Counter()

    def compare(self, place: str, row: dict, numbers: dict) -> None:
        """Compare the fields of one row."""
        for column, value in numbers.items():
            self.count += 1
            if differs(row.get(column) or "", value):
                self.wrong.append(
                    f"{place}, {column}: {row.get(column) or 'empty'} is written, {value} is derived"
                )


COLUMNS = (
    "mean",
    "sd",
    "low",
    "high",
    "difference",
    "diff_low",
    "diff_high",
    "p",
    "smallest_effect",
)


def check_rows(name: str, rows: list[dict], baseline: str, runs: dict, found: Findings) -> None:
    """Check the rows of one metric; Holm's correction is over all of them."""
    derived = []
    for row in rows:
        split, _, metric = row["metric"].partition("/")
        if any(run.is_unknown(metric) for run in runs[row["arm"]]):
            found.unknown[row["metric"]] += sum(column in row for column in COLUMNS)
            continue
        places = None
        if "quarter" in row:
            texts = [t[BY_LENGTH[name]] for t in next(iter(runs.values()))[0].texts[split]]
            places = quarters(texts)[int(row["quarter"]) - 1]
        elif name == "by_rarity.csv":
            places = list(range(len(next(iter(runs.values()))[0].texts[split])))
        derived.append((row, expected(runs, row, baseline, places)))
    corrected = holm([numbers.get("p") for _, numbers in derived])
    for (row, numbers), p in zip(derived, corrected, strict=True):
        known = {column: numbers.get(column) for column in COLUMNS if column in row}
        seeds = len(runs[row["arm"]])
        if "mean" not in row:  # comparisons.csv has the number of the arm with fewer
            seeds = min(seeds, len(runs[baseline]))
        quarter = f", quarter {row['quarter']}" if "quarter" in row else ""
        place = f"{name}, {row['metric']}, {row['arm']}{quarter}"
        found.compare(place, row, known | {"p_holm": p, "num_seeds": seeds})


def check_tables(tables: dict[str, list[dict]], runs: dict, found: Findings) -> None:
    """Check every table, metric by metric, against the first arm."""
    baseline = tables["table.csv"][0]["arm"] if tables["table.csv"] else ""
    for name, rows in tables.items():
        whole = name == "by_rarity.csv"  # whose metrics are the bins of one table
        for metric in dict.fromkeys("" if whole else row["metric"] for row in rows):
            chosen = [row for row in rows if row["metric"] == metric or whole]
            check_rows(name, chosen, baseline, runs, found)


def check_runs(rows: list[dict], finished: list[Run], found: Findings) -> None:
    for row, run in zip((r for r in rows if r["state"] == "done"), finished, strict=True):
        keys = [key for key in row if "/" in key and key in run.result]
        unknown = [key for key in keys if run.is_unknown(key.partition("/")[2])]
        found.unknown.update(unknown)
        known = {key: run.value(key) for key in keys if key not in unknown}
        found.compare(f"runs.csv, {run.name}", row, known)


def rederive(place: Path) -> int:
    """Check the report of a study folder; one by a factor has a folder for each of its values."""
    study, found = planned(place), Findings()
    prediction = study.get("prediction")
    report = place / "report"
    is_grouped = prediction is not None and prediction.get("by") is not None
    finished: dict[str, Run] = {}
    for folder in sorted(p.parent for p in report.glob("*/runs.csv")) if is_grouped else [report]:
        finished |= check_folder(place, folder, found)
    if prediction is not None:
        check_prediction(study, finished, read_csv(report / "prediction.csv"), found)
    for line in found.wrong:
        print(printable(line))
    for key, count in sorted(found.unknown.items()):
        print(printable(f"{key}: {count} numbers not derived, no formula for it here"))
    print(f"{found.count - len(found.wrong):d} of {found.count:d} numbers are equal to 1e-9")
    return 1 if found.wrong or found.unknown else 0


def check_folder(place: Path, folder: Path, found: Findings) -> dict[str, Run]:
    """Check the tables of a folder and return its finished runs by name."""
    run_rows = read_csv(folder / "runs.csv")
    done = [row for row in run_rows if row["state"] == "done"]
    finished = [Run(place / "runs", row) for row in done]
    tables = {name: read_csv(folder / name) for name in (*TABLES, *BY_LENGTH, "by_rarity.csv")}
    check_runs(run_rows, finished, found)
    runs: dict = {}
    for run in finished:
        runs.setdefault(run.arm, []).append(run)
    check_tables(tables, runs, found)
    return {run.name: run for run in finished}


def main(argv: list[str]) -> int:
    if len(argv) not in (1, 2) or argv[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if argv[:1] in (["-h"], ["--help"]) else 2
    place = Path(argv[0])
    is_there = place.is_file() or (place / "study.json").exists()
    place = place if is_there else Path("outputs/studies") / argv[0]
    try:
        with opened(place, *argv[1:]) as folder:
            return rederive(folder)
    except (FileNotFoundError, NotADirectoryError) as error:
        code, text = 2, f"{place}: no complete report there ({error}); run seq2seq-lab report"
    except (OSError, ValueError, LookupError, TypeError, AttributeError, csv.Error) as error:
        what = "damaged, or do not belong together"
        code = 3
        text = f"{place}: its files are {what} ({type(error).__name__}: {error}); run seq2seq-lab report"
    print(printable(f"error: {text}"), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
