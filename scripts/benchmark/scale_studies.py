"""Studies of any number of runs, made of copies of one real run; what reading, listing and reporting them costs."""

import hashlib
import json
import random
import shutil
from pathlib import Path

from seq2seq_lab.files import append_line, write_json
from seq2seq_lab.study.matrix import PlannedRun, Study, arm_label, run_name
from seq2seq_lab.study.run import write_done

SEEDS = 10
FACTOR = "training.optimizer.lr"
COPIED = ("config.yaml", "manifest.json", "result.json", "metrics.csv", "data_report.json", "hypotheses",
          "exposure_bias")  # fmt: skip


def planned(count: int) -> list[PlannedRun]:
    """Return so many runs: arms of a factor with numbers as its values, of `SEEDS` seeds each."""
    runs = []
    for number in range(count):
        value, seed = f"{1 + number // SEEDS}e-4", 1 + number % SEEDS
        digest = hashlib.sha256(f"{value} {seed}".encode()).hexdigest()
        arm = arm_label({FACTOR: value})
        overrides = (f"{FACTOR}={value}", f"seed={seed}")
        name = run_name(arm, seed, digest)
        runs.append(PlannedRun(name, arm, {FACTOR: value}, seed, overrides, digest))
    return runs


def write_study(run: Path, place: Path, count: int) -> Study:
    """Write a study of finished runs: each is the real run with a seed, scores and some outputs of its own."""
    runs = planned(count)
    values = tuple(dict.fromkeys(one.factors[FACTOR] for one in runs))
    seeds = tuple(dict.fromkeys(one.seed for one in runs))
    study = Study(place.name, {FACTOR: values}, seeds, (), "test/bleu", tuple(runs), place)
    study.save()
    (place / "locks").mkdir(exist_ok=True)
    for number, one in enumerate(runs):
        write_copy(run, study.folder(one), number, one)
        for event in ("planned", "started", "done"):
            line = {"time": "", "event": event, "run": one.name, "attempt": 1}
            line |= {"content_hash": one.content_hash}
            append_line(study.ledger, line, place / "locks" / "ledger.lock")
    return study


def write_copy(run: Path, folder: Path, number: int, planned_run: PlannedRun) -> None:
    """Write one run: the outputs of the real one with a word less here and there, and scores that go with it."""
    folder.mkdir(parents=True)
    for name in COPIED:
        (shutil.copytree if (run / name).is_dir() else shutil.copy)(run / name, folder / name)
    draw = random.Random(number)
    path = folder / "hypotheses" / "test.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        if draw.random() < 0.3:
            row["hypothesis"] = row["hypothesis"].rpartition(" ")[0]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    moved = {k: v + draw.random() for k, v in result.items() if k.startswith(("test/", "val/"))}
    write_json(folder / "result.json", result | moved)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    write_json(folder / "manifest.json", manifest | {"seed": planned_run.seed})
    write_done(folder, planned_run.content_hash, 1.0 + draw.random())
