"""The fault battery: kills, signals, full disks, damaged and hostile files, against real processes.

python tests/faults/run.py [--fast] [--only kills,saves:export] [--seed 1] [--jobs 2]     (`make faults`)
Prints a table and writes it to outputs/faults/<time>.md; exits with 0 only if everything survived. A failure is one
line: what to give --only, and what went wrong.
"""

import argparse
import datetime
import importlib
import multiprocessing
import os
import pkgutil
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.path[:0] = [str(ROOT / part) for part in ("src", "scripts", "tests")]

from faults.row import ROWS, Attempts, Case, Scale, cases  # noqa: E402


def load_rows() -> None:
    """Import every module of rows; torch, Lightning and our modules come with them, once."""
    import torch

    torch.set_num_threads(1)
    import faults.rows

    for module in pkgutil.iter_modules(faults.rows.__path__):
        importlib.import_module(f"faults.rows.{module.name}")


Result = tuple[str, Attempts, float]
_chosen: list[Case] = []


def _carry_out(number: int) -> Result:
    return _chosen[number].carry_out()


def carry_out(
    chosen: list[Case], jobs: int, tell: Callable[[Result], object] = print
) -> list[Result]:
    """Run the cases in forked workers, side by side; `tell` hears of each at once."""
    _chosen[:] = chosen
    results = []
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        for result in pool.imap_unordered(_carry_out, range(len(chosen))):
            tell(result)
            results.append(result)
    return results


def table(results: list[Result], command: str) -> list[str]:
    """Return the table and the failures as Markdown."""
    lines = ["| row | tried | survived | seconds |", "|---|---:|---:|---:|"]
    for name in ROWS:
        found = [r for r in results if r[0].partition(":")[0] == name]
        if not found:
            continue
        tried = sum(a.tried for _, a, _ in found)
        lost = sum(len(a.failures) for _, a, _ in found)
        seconds = sum(s for _, _, s in found)
        reasons = sorted({text for _, a, _ in found for text in a.skipped})
        note = f" (skipped: {'; '.join(reasons)})" if reasons else ""
        lines.append(f"| {name}{note} | {tried:,} | {tried - lost:,} | {seconds:.0f} |")
    failures = [f"- `{label}` {text}" for label, a, _ in results for text in a.failures]
    if failures:
        lines += ["", f"Again: `{command} --only 'ROW:CASE'`", "", *failures]
    return lines


def total(results: list[Result]) -> tuple[int, int]:
    """Return how many attempts were made and how many survived."""
    tried = sum(a.tried for _, a, _ in results)
    return tried, tried - sum(len(a.failures) for _, a, _ in results)


def _tell(result: Result) -> None:
    label, attempts, seconds = result
    for text in attempts.failures[:5]:
        print(f"FAILED {label} {text}", flush=True)
    if len(attempts.failures) > 5:
        print(f"FAILED {label} and {len(attempts.failures) - 5} more", flush=True)
    for text in attempts.skipped[:1]:
        print(f"skipped {label}: {text}", flush=True)
    if not attempts.failures and not attempts.skipped:
        print(f"ok {label}: {attempts.tried}, {seconds:.1f} s", flush=True)


def main() -> int:
    """Carry out the battery and return the exit code."""
    parser: Any = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fast", action="store_true", help="under 15 minutes on two cores")
    parser.add_argument("--size", choices=["full", "fast", "slice"], help=argparse.SUPPRESS)
    parser.add_argument("--only", default="", help="rows, or row:beginning of a case")
    parser.add_argument("--seed", type=int, default=1, help="of the moments, places and overrides")
    parser.add_argument("--jobs", type=int, default=2, help="cases side by side")
    parser.add_argument("--list", action="store_true", help="name the cases and stop")
    arguments = parser.parse_args()
    load_rows()
    size = arguments.size or ("fast" if arguments.fast else "full")
    chosen = cases(Scale(size, arguments.seed), arguments.only)
    if arguments.list:
        print(*(case.label for case in chosen), sep="\n")
        return 0
    if not chosen:
        parser.error(f"--only {arguments.only}: no such row or case; rows are {', '.join(ROWS)}")
    random.Random(arguments.seed).shuffle(chosen)  # a row that breaks is seen early
    begin = time.monotonic()
    results = carry_out(chosen, arguments.jobs, _tell)
    fast = " --fast" if size == "fast" else ""
    lines = table(results, f"python tests/faults/run.py{fast} --seed {arguments.seed}")
    print("", *lines, sep="\n")
    tried, survived = total(results)
    last = f"faults: {tried:,} tried, {survived:,} survived"
    folder = ROOT / "outputs" / "faults"
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    (folder / f"{now}.md").write_text("\n".join([*lines, "", last]) + "\n", encoding="utf-8")
    print(f"\n{time.monotonic() - begin:.0f} s\n{last}")
    return int(survived < tried or tried == 0)


if __name__ == "__main__":
    sys.exit(main())
