"""How cost grows with the work: sentences, their length, the vocabulary, and the runs of a study.

Every point is measured in a process of its own, so that its peak memory is its own. `--results FILE` keeps each point
as one line of JSON; a point that is there already is not measured again, and table and figure show all of them.
"""

import argparse
import itertools
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seq2seq_lab.errors import ResourceError

SENTENCES, LENGTH, VOCABULARY, LONG_PAIRS = 100_000, 14, 5_000, 2_000
AXES = {
    "sentences": ([10_000, 100_000, 1_000_000], "training pairs"),
    "lengths": ([10, 50, 100, 200, 500], "tokens per sentence"),
    "vocabularies": ([1_000, 10_000, 100_000], "words"),
    "studies": ([10, 100, 1_000], "runs of a study"),
}
"""The sizes of each axis unless an option says otherwise, and what they count."""
COSTS = {
    "setup_s": "set-up, CPU s",
    "order_s": "first batch, CPU s",
    "step_s": "training, CPU s per 1,000 target tokens",
    "peak_mb": "peak memory, MB",
    "own_mb": "held at the end without files, MB",
    "status_s": "status, CPU s",
    "report_s": "first report, CPU s",
    "again_s": "later report, CPU s",
}


def points(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield what is measured: the axis, its size, and the sizes that stay as they are."""
    usual = {"pairs": SENTENCES, "length": LENGTH, "vocabulary": VOCABULARY, "batch": 64}
    for axis, (sizes, _) in AXES.items():
        given = getattr(arguments, axis)
        for size in sizes if given is None else given:
            point = {"axis": axis, "size": size}
            if axis == "sentences":
                yield point | usual | {"pairs": size}
            elif axis == "lengths":
                yield point | usual | {"pairs": LONG_PAIRS, "length": size, "batch": 16}
            elif axis == "vocabularies":
                yield point | usual | {"vocabulary": size}
            else:
                yield point


def scale(arguments: argparse.Namespace, _: Any) -> dict[str, Any]:
    """Measure every point, print the table and draw the figure."""
    from benchmark.scale_figure import draw, table

    kept = Path(arguments.results) if arguments.results else None
    lines = kept.read_text(encoding="utf-8").splitlines() if kept and kept.exists() else []
    found = [json.loads(line) for line in lines]
    known = {(one["axis"], one["size"]) for one in found}
    for point in points(arguments):
        if (point["axis"], point["size"]) in known:
            continue
        found.append(measured(point))
        if kept:
            with kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found[-1]) + "\n")
    found.sort(key=lambda one: (list(AXES).index(one["axis"]), one["size"]))
    table(found)
    if arguments.figure:
        draw(found, Path(arguments.figure))
    return {"points": found}


def measured(point: dict[str, Any]) -> dict[str, Any]:
    """Measure one point in a new process with one thread; its files lie in a temporary folder."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory(prefix="seq2seq-lab-scale-") as folder:
        for what in ("write", "measure"):
            line = [sys.executable, "-m", "benchmark.scale_point", what, folder, json.dumps(point)]
            done = subprocess.run(
                line,
                cwd=Path(__file__).parents[1],
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
            )
            if done.returncode:
                raise ResourceError(f"{point}: the measurement ended with {done.returncode}")
    return point | json.loads(done.stdout)


def exponents(found: list[dict[str, Any]], cost: str) -> dict[int, float]:
    """Return for each size but the first the power of the size with which a cost has grown since the one before."""
    known = [one for one in found if one.get(cost)]
    grown = {}
    for one, next_one in itertools.pairwise(known):
        grown[next_one["size"]] = math.log(next_one[cost] / one[cost]) / math.log(
            next_one["size"] / one["size"]
        )
    return grown
