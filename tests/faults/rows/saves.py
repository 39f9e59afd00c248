"""kill -9 at every system call of a write: a checkpoint, a JSON file, a line of the ledger, metrics.csv, an export."""

import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from faults.row import Attempts, Scale, row
from faults.tracer import killed_at, need_ptrace
from seq2seq_lab.errors import CheckpointError
from seq2seq_lab.files import sidecar_of, write_json
from seq2seq_lab.inference.checkpoint_file import newest_whole, read_checkpoint
from seq2seq_lab.inference.stored_model import StoredModel, make_folder, read_export, write_export
from seq2seq_lab.study import ledger
from seq2seq_lab.training.checkpoint_io import AtomicCheckpointIO
from seq2seq_lab.training.logger.csv_metrics import CsvMetrics
from seq2seq_lab.training.run_folder import write_result

CONTENTS = {
    "config": {"resume": "auto", "model": {"dim": 8}, "run_dir": "a"},
    "data": {"train": "hash"},
    "source_tokenizer": "{}",
    "target_tokenizer": "{}",
}


@dataclass(frozen=True)
class Write:
    """`before` makes what is there, `write` is killed, `check` demands old or new, `rest` is written afterwards."""

    before: Callable[[Path], object]
    write: Callable[[Path], object]
    check: Callable[[Path], str]
    rest: Callable[[Path], object] | None = None


def state(step: int) -> dict[str, Any]:
    """Return a checkpoint whose every number is its step."""
    weights = torch.full((2000,), float(step))
    return {"state_dict": {"model.w": weights}, "global_step": step, "epoch": step // 4}


def save(folder: Path, step: int, name: str = "last") -> None:
    """Save a checkpoint as training does."""
    AtomicCheckpointIO(CONTENTS).save_checkpoint(
        state(step), folder / "checkpoints" / f"{name}.ckpt"
    )


def whole_step(path: Path) -> int:
    """Return the step of a checkpoint that reads whole and agrees with itself."""
    checkpoint = read_checkpoint(path)
    step = int(checkpoint["global_step"])
    assert checkpoint["state_dict"]["model.w"].eq(step).all(), "torn"
    assert checkpoint["epoch"] == step // 4, "torn"
    if sidecar_of(path).exists():
        assert json.loads(sidecar_of(path).read_text())["step"] == step, "sidecar of another"
    return step


def old_or_new_checkpoint(folder: Path, name: str = "last") -> str:
    """Demand a newest whole checkpoint that is the old one or the new one, and nothing torn that is believed."""
    found, wrong = newest_whole(folder / "checkpoints")
    assert found is not None, f"no checkpoint is whole: {wrong}"
    assert not wrong, wrong
    step = whole_step(found)
    assert step in (6, 9, 12), step
    for path in (folder / "checkpoints").glob("*.ckpt"):
        whole_step(path)
    return {6: "older", 9: "old", 12: "new"}[step]


def json_is_old_or_new(path: Path) -> str:
    """Demand one of the two contents."""
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content in ({"a": [1] * 999}, {"a": [2] * 9999}), "torn"
    return "old" if content["a"][0] == 1 else "new"


def note(folder: Path, run: str) -> None:
    ledger.append(folder / "ledger.jsonl", "done", run, 1, "hash", "why", 1.5)


def ledger_holds(folder: Path) -> str:
    """Demand the old lines, and the new one whole or not at all."""
    runs = [event.run for event in ledger.read(folder / "ledger.jsonl")]
    assert runs[:2] == ["a", "b"], runs
    assert runs[2:] in ([], ["c"], ["d"], ["c", "d"]), runs
    return "new" if "c" in runs else "old"


def metrics(folder: Path, *rows: dict[str, float]) -> None:
    log = CsvMetrics(folder)
    for number, values in enumerate(rows):
        log.log_metrics(values, step=number)


def metrics_hold(folder: Path) -> str:
    """Demand the old rows, under the old header or the new one."""
    lines = (folder / "metrics.csv").read_text(encoding="utf-8").split("\n")
    assert lines[0] in ("step,a", "step,a,b"), lines
    end = "," if lines[0] == "step,a,b" else ""
    assert lines[1:3] == [f"0,1.0{end}", f"1,2.0{end}"], lines
    return "new" if end and len(lines) > 4 else "old"


def result_is_old_or_new(folder: Path) -> str:
    content = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert content in ({"test/bleu": 1.0}, {"test/bleu": 2.0, "test/chrf": 3.0}), content
    return "old" if len(content) == 1 else "new"


def export(folder: Path) -> None:
    """Export into the folder `export`, anew as a user would after a kill."""
    shutil.rmtree(folder / "export", ignore_errors=True)
    make_folder(folder / "export")
    weights = {"w": torch.ones(500)}
    limit = {"length_filter": {"max_source_tokens": 9}}
    config = {"data": limit, "model": {}, "decoding": {}}
    write_export(folder / "export", StoredModel(weights, config, "{}", "{}", "de", "en"))


def export_is_whole_or_refused(folder: Path) -> str:
    """Demand a whole export, or a refusal that says so."""
    try:
        stored = read_export(folder / "export")
    except CheckpointError:
        return "old"
    assert stored.weights["w"].eq(1).all()
    assert stored.source_tokenizer == "{}"
    return "new"


def two_checkpoints(folder: Path) -> None:
    save(folder, 6, "best")
    save(folder, 9)


WRITES = {
    "checkpoint": Write(two_checkpoints, lambda f: save(f, 12), old_or_new_checkpoint),
    "first checkpoint beside another": Write(
        lambda f: save(f, 9, "best"), lambda f: save(f, 12), old_or_new_checkpoint
    ),
    "json": Write(
        lambda f: write_json(f / "a.json", {"a": [1] * 999}),
        lambda f: write_json(f / "a.json", {"a": [2] * 9999}),
        lambda f: json_is_old_or_new(f / "a.json"),
    ),
    "ledger": Write(
        lambda f: (note(f, "a"), note(f, "b")),
        lambda f: note(f, "c"),
        ledger_holds,
        lambda f: note(f, "d"),
    ),
    "metrics.csv": Write(
        lambda f: metrics(f, {"a": 1.0}, {"a": 2.0}),
        lambda f: metrics(f, {"b": 3.0}),
        metrics_hold,
    ),
    "result.json": Write(
        lambda f: write_result(f, {"test/bleu": 1.0}),
        lambda f: write_result(f, {"test/bleu": 2.0, "test/chrf": 3.0}),
        result_is_old_or_new,
    ),
    "export": Write(lambda f: None, export, export_is_whole_or_refused),
}


def kill_at_every_call(what: Write, folder: Path, attempts: Attempts, step: int = 1) -> None:
    """Kill the write at stop 1, 2, 3 ... of its system calls until it ends by itself."""
    need_ptrace()
    seen = []
    for stop in itertools.count(1, step):
        place = folder / str(stop)
        place.mkdir()
        what.before(place)
        if killed_at(stop, lambda: what.write(place), place) < stop:  # noqa: B023
            assert what.check(place) == "new"
            break
        with attempts.one(f"stop {stop}:"):
            seen.append(what.check(place))
            (what.rest or what.write)(place)
            what.check(place)
            left = [str(path.relative_to(place)) for path in place.rglob(".*.tmp")]
            assert not left, f"left behind after the next write: {left}"
        shutil.rmtree(place)
    with attempts.one("order:"):
        assert "old" in seen, "no kill came before the write"
        assert sorted(seen, key=["older", "old", "new"].index) == seen, "the old came back"


@row("saves")
def saves(scale: Scale) -> Iterator[tuple[str, Callable[[Path, Attempts], object]]]:
    """One case for each kind of write; each stop of the tracer is an attempt."""
    step = scale.pick(1, 1, 25)
    names = ["checkpoint", "json", "ledger"] if scale.size == "slice" else list(WRITES)
    for name in names:
        what = WRITES[name]
        yield name, lambda f, a, what=what: kill_at_every_call(what, f, a, step)
