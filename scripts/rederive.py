"""Compute every number of a study's report again from the stored hypotheses, without the package that wrote it.

python scripts/rederive.py outputs/studies/attention_vs_none

Imports the standard library, numpy and sacreBLEU only. Corpus scores come from sacreBLEU on the stored texts, intervals
and p-values from rederive_formulas.py. Compares runs.csv, table.csv and by_length.csv to 1e-9; numbers that no text
determines (losses, parameters) are compared with the runs' result.json.
Exit code 0: all equal; 1: a list of what differs.
"""

import csv
import json
import math
import sys
from pathlib import Path

import numpy as np

from rederive_formulas import (
    half_width,
    holm,
    jackknife,
    middle_95,
    p_value,
    resampled,
    shift,
    variances,
)

TOLERANCE = 1e-9
TEXT_METRICS = ("bleu", "bleu_tok_lc", "chrf", "exact_match")


# sacreBLEU on stored texts


def scorer(name: str, signatures: dict):
    """Return (extract rows of sums, score of one sum) for a metric, or None if texts do not determine it.

    Sums are scored in their own type: sacreBLEU's resampling works with float32.
    """
    from sacrebleu.metrics import BLEU, CHRF

    if name == "exact_match":
        return (
            lambda hyps, refs: np.array(
                [[float(h == r), 1.0] for h, r in zip(hyps, refs, strict=True)]
            ),
            lambda sums: 100.0 * float(sums[0]) / float(sums[1]),
        )
    if name == "chrf":
        metric = CHRF()
    elif name in ("bleu", "bleu_tok_lc") and name in signatures:
        tokenize = signatures[name].split("tok:")[1].split("|")[0]
        metric = BLEU(tokenize=tokenize, lowercase="case:lc" in signatures[name], force=True)
    else:
        return None
    return (
        lambda hyps, refs: np.array(metric._extract_corpus_statistics(hyps, [refs]), dtype=float),
        lambda sums: metric._compute_score_from_stats(sums).score,
    )


class Run:
    """A run that is done, as stored."""

    def __init__(self, folder: Path, row: dict):
        self.name, self.arm, self.seed = row["run"], row["arm"], int(row["seed"])
        self.result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        path = folder / "hypotheses" / "signatures.json"
        self.signatures = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self.texts = {split: self.read(folder, split) for split in ("val", "test")}

    @staticmethod
    def read(folder: Path, split: str) -> list[dict]:
        """Return the stored rows of a split."""
        path = folder / "hypotheses" / f"{split}.jsonl"
        lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
        return [json.loads(line) for line in lines if line]

    def sums(self, split: str, name: str) -> np.ndarray:
        """Return (sentences, width)."""
        rows = self.texts[split]
        extract, _ = scorer(name, self.signatures)
        return extract([r["hypothesis"] for r in rows], [r["reference"] for r in rows])

    def value(self, key: str):
        """Return the number of a key, from texts where they determine it."""
        split, _, name = key.partition("/")
        base, _, quarter = name.partition("_length_q")
        if (
            split in self.texts
            and self.texts[split]
            and base in TEXT_METRICS
            and scorer(base, self.signatures)
        ):
            sums, (_, score) = self.sums(split, base), scorer(base, self.signatures)
            if quarter:
                sums = sums[quarters([r["source"] for r in self.texts[split]])[int(quarter) - 1]]
            return score(sums.sum(0))
        return self.result.get(key)


def quarters(sources: list[str]) -> list[list[int]]:
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
    bins = min(4, len(order))
    return [order[len(order) * k // bins : len(order) * (k + 1) // bins] for k in range(bins)]


# the tables


def arm_numbers(values: list[float], sums: list | None, score, *, with_sentences: bool) -> dict:
    mean = float(np.mean(values))
    if len(values) > 1:
        parts = np.array([jackknife(s, score) for s in sums]) if with_sentences and sums else None
        half = half_width(variances(values, parts))
        return {
            "mean": mean,
            "sd": float(np.std(values, ddof=1)),
            "low": mean - half,
            "high": mean + half,
        }
    if not sums:
        return {"mean": mean}
    low, high = middle_95(resampled(sums[0], score))
    return {"mean": mean, "low": low, "high": high}


def difference_numbers(base: dict, arm: dict, score) -> dict:
    """Compare two arms, each {seed: (value, sums or None)}."""
    seeds = [seed for seed in base if seed in arm]
    if not seeds:
        gap = np.mean([v for v, _ in arm.values()]) - np.mean([v for v, _ in base.values()])
        return {"difference": float(gap)}
    changes = [arm[seed][0] - base[seed][0] for seed in seeds]
    known = all(one[seed][1] is not None for one in (base, arm) for seed in seeds)
    gap = float(np.mean(changes))
    if len(seeds) == 1:
        if not known:
            return {"difference": gap}
        pair = [resampled(one[seeds[0]][1], score) for one in (arm, base)]
        low, high = middle_95(pair[0] - pair[1])
        trials = np.abs(pair[0] - pair[1])
        # the measured gap is sacreBLEU's own, of unsampled sums
        p = (int((trials - trials.mean() > measured(base, arm, seeds[0], score)).sum()) + 1) / 1001
        return {"difference": gap, "diff_low": low, "diff_high": high, "p": p}
    parts = None
    if known:
        pairs = [(jackknife(arm[s][1], score), jackknife(base[s][1], score)) for s in seeds]
        parts = np.array([one - other for one, other in pairs])
    found = variances(changes, parts)
    half = half_width(found)
    effect = found[0] * shift(found[2] - 1.0) ** 2
    effect += found[1] * shift(found[3] - 1.0) ** 2 if found[1] > 0 else 0.0
    return {"difference": gap, "diff_low": gap - half, "diff_high": gap + half, "p": p_value(found, gap),
            "smallest_effect": math.sqrt(effect)}  # fmt: skip


def measured(base: dict, arm: dict, seed: int, score) -> float:
    return abs(score(arm[seed][1].sum(0)) - score(base[seed][1].sum(0)))


def expected(runs: dict, row: dict, baseline: str, places: list[int] | None) -> dict:
    """Return the numbers of one row of table.csv, or of by_length.csv if `places` names its sentences."""
    split, _, name = row["metric"].partition("/")
    members = [run for arm in (row["arm"], baseline) for run in runs[arm]]
    everyone = [run for arm in runs.values() for run in arm]
    texts = {
        json.dumps([(r["source"], r["reference"]) for r in run.texts[split]]) for run in everyone
    }
    made = {run.signatures.get(name) for run in everyone}
    functions = scorer(name, members[0].signatures)
    comparable = (
        functions is not None and len(texts) == 1 and len(made) == 1 and members[0].texts[split]
    )
    score = functions[1] if functions else None
    arms: dict = {}
    for run in members:
        sums = run.sums(split, name) if comparable else None
        sums = sums[places] if places is not None and sums is not None else sums
        value = score(sums.sum(0)) if places is not None else run.value(row["metric"])
        arms.setdefault(run.arm, {})[run.seed] = (value, sums)
    own = arms[row["arm"]]
    all_sums = [sums for _, sums in own.values()] if comparable else None
    numbers = arm_numbers(
        [v for v, _ in own.values()], all_sums, score, with_sentences=places is not None
    )
    if row["arm"] != baseline:
        numbers |= difference_numbers(arms[baseline], own, score)
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
    """What was compared, and what differs."""

    def __init__(self) -> None:
        self.count, self.wrong = 0, []

    def compare(self, place: str, row: dict, numbers: dict) -> None:
        """Compare the fields of one row."""
        for column, value in numbers.items():
            self.count += 1
            if differs(row.get(column) or "", value):
                self.wrong.append(
                    f"{place}, {column}: {row.get(column) or 'empty'} is written, {value} is derived"
                )


COLUMNS = ("mean", "sd", "low", "high", "difference", "diff_low", "diff_high", "p")


def check_rows(name: str, rows: list[dict], runs: dict, found: Findings) -> None:
    """Check table.csv or by_length.csv; Holm's correction is over all rows."""
    baseline = rows[0]["arm"] if rows else ""
    derived = []
    for row in rows:
        places = None
        if "quarter" in row:
            texts = next(iter(runs.values()))[0].texts[row["metric"].partition("/")[0]]
            places = quarters([t["source"] for t in texts])[int(row["quarter"]) - 1]
        derived.append(expected(runs, row, baseline, places))
    for row, numbers, p in zip(rows, derived, holm([d.get("p") for d in derived]), strict=True):
        columns = COLUMNS + (("smallest_effect",) if "smallest_effect" in row else ())
        known = {column: numbers.get(column) for column in columns} | {"p_holm": p}
        known["num_seeds"] = len(runs[row["arm"]])
        place = f"{name}, {row['arm']}" + (
            f", quarter {row['quarter']}" if "quarter" in row else ""
        )
        found.compare(place, row, known)


def check_runs(rows: list[dict], runs: list[Run], found: Findings) -> None:
    keys = [key for key in rows[0] if "/" in key and key in runs[0].result] if rows and runs else []
    for row, run in zip((r for r in rows if r["state"] == "done"), runs, strict=True):
        found.compare(f"runs.csv, {run.name}", row, {key: run.value(key) for key in keys})


def main(argv: list[str]) -> int:
    if len(argv) != 1 or argv[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if argv[:1] in (["-h"], ["--help"]) else 2
    place = Path(argv[0])
    place = place if (place / "study.json").exists() else Path("outputs/studies") / argv[0]
    try:
        run_rows = read_csv(place / "report" / "runs.csv")
        done = [row for row in run_rows if row["state"] == "done"]
        finished = [Run(place / "runs" / row["run"], row) for row in done]
        tables = {
            name: read_csv(place / "report" / name) for name in ("table.csv", "by_length.csv")
        }
    except (OSError, ValueError, KeyError) as error:
        print(
            f"error: {place}: no complete report there ({error}); run scripts/report.py",
            file=sys.stderr,
        )
        return 2
    found = Findings()
    check_runs(run_rows, finished, found)
    runs: dict = {}
    for run in finished:
        runs.setdefault(run.arm, []).append(run)
    for name, rows in tables.items():
        check_rows(name, rows, runs, found)
    for line in found.wrong:
        print(line)
    print(f"{found.count - len(found.wrong)} of {found.count} numbers are equal to 1e-9")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
