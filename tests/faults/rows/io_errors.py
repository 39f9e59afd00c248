"""Disks that are full, broken or read-only: one line and exit code 5, the old file stays, the run can go on."""

import errno
import itertools
import json
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from faults import small_disk
from faults.child import Child, compose_once, start, start_train
from faults.disk import failing
from faults.row import Attempts, Scale, SkippedError, row
from faults.rows.saves import WRITES
from faults.training_runs import (
    RUN,
    RUN_DIR,
    SAMPLED,
    contents,
    ended_well,
    ends_like,
    left_alone,
    resume,
    writes_of,
)
from seq2seq_lab import errors
from support.bad_input_files import Outcome
from support.resume_equality import the_same
from support.small_runs import train

CODES = (errno.ENOSPC, errno.EIO, errno.EACCES)
LINE = (*RUN, *SAMPLED)


def reported(outcome: Outcome, *codes: int) -> None:
    """Demand one of the exit codes and one line that says what happened."""
    assert outcome.code in codes, f"exit {outcome.code}: {outcome.err[-400:]}"
    assert "Traceback" not in outcome.err, outcome.err[-400:]
    lines = [
        line for line in outcome.err.split("\n") if line and not line.startswith(("W&B", "warning"))
    ]
    assert len(lines) == 1, outcome.err[-400:]
    assert lines[0].startswith("error: "), lines[0]
    assert "/" in lines[0] or ".csv" in lines[0] or "run" in lines[0], f"no place: {lines[0]}"


def every_call_fails(name: str, code: int, folder: Path, attempts: Attempts) -> None:
    """Let the 1st, 2nd, 3rd ... call of one write fail, alone or with all that follow."""
    what = WRITES[name]
    for number in itertools.count(1):
        for last in (False, True):
            place = folder / f"{number}{last}"
            place.mkdir()
            what.before(place)

            def write(place: Path = place, number: int = number, last: bool = last) -> int:
                strike = failing(number, code, str(place), last=last)
                done = errors.run(lambda: what.write(place))
                strike.is_on = False
                (place / "struck").write_text(json.dumps(strike.count >= number))
                return done

            outcome = start(write, place).wait()
            struck = (place / "struck").read_text() == "true"
            if not struck:
                ended_well(outcome)
                return
            with attempts.one(f"call {number}{' and later' if last else ''}:"):
                if outcome.code != 0:
                    reported(outcome, 5)
                found = what.check(place)
                assert outcome.code == 5 or found == "new" or name == "export", "lost in silence"
                if outcome.code == 5 and "the old file is unchanged" in outcome.err:
                    assert found in ("old", "new"), found
                (what.rest or what.write)(place)
                what.check(place)
                assert not list(place.rglob(".*.tmp")), "a temporary file is left"
            shutil.rmtree(place)


def goes_on(folder: Path, outcome: Outcome, alone: dict[str, Any]) -> None:
    """Demand the error, then that the same run, resumed on a good disk, ends as if nothing had been."""
    if outcome.code != 0:
        reported(outcome, 5)
        ended_well(resume(folder, *LINE).wait())
    ends_like(folder / "run", alone)


def training_fails(count: int, part: float, folder: Path, attempts: Attempts) -> None:
    """Let calls all over a training run fail; `part` in [0, 1) moves them."""
    alone = left_alone(folder / "alone", *LINE)
    writes = writes_of(folder / "counted", *LINE)
    for index in range(count):
        number = 1 + int((index + part) * writes / count)
        code, last = CODES[index % 3], index % 2 == 1
        place = folder / str(number)

        def run(number: int = number, code: int = code, last: bool = last) -> int:
            failing(number, code, "/run", last=last)
            return train(*LINE, RUN_DIR)

        with attempts.one(f"call {number}, {errno.errorcode[code]}{' and later' if last else ''}:"):
            compose_once(*LINE, RUN_DIR)
            goes_on(place, start(run, place).wait(), alone)
        shutil.rmtree(place, ignore_errors=True)


def files_stop_growing(folder: Path, attempts: Attempts) -> None:
    """The kernel's own limit on the size of a file."""
    alone = left_alone(folder / "alone", *LINE)
    for size in (50_000, 6_000, 300):
        with attempts.one(f"at {size} bytes:"):

            def run(size: int = size) -> int:
                resource.setrlimit(
                    resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
                )
                return train(*LINE, RUN_DIR)

            outcome = start(run, folder / str(size)).wait()
            assert outcome.code == 5, f"exit {outcome.code}: {outcome.err[-300:]}"
            ended_well(resume(folder / str(size), *LINE).wait())
            ends_like(folder / str(size) / "run", alone)


def streams_are_full(folder: Path, attempts: Attempts) -> None:
    """Output that nobody can take: the exit code is what is left to tell, and the files are whole."""
    alone = left_alone(folder / "alone", *LINE)

    def on(stream: int, *overrides: str) -> Callable[[], int]:
        def run() -> int:
            os.dup2(os.open("/dev/full", os.O_WRONLY), stream)
            return train(*overrides)

        return run

    for name, stream, code in (("errors", 2, 2), ("output", 1, 2)):
        with attempts.one(f"standard {name} of a wrong command:"):
            found = start(on(stream, "debug=tiny", "model.dim=0"), folder / name).wait()
            assert found.code == code, f"exit {found.code}"
    for name, stream in (("errors", 2), ("output", 1)):
        with attempts.one(f"standard {name} of a run:"):
            found = start(on(stream, *LINE, RUN_DIR), folder / f"run {name}").wait()
            assert found.code in (0, 5), f"exit {found.code}"
            if found.code == 5:
                ended_well(resume(folder / f"run {name}", *LINE).wait())
            ends_like(folder / f"run {name}" / "run", alone)


def _on_a_small_disk(
    folder: Path, prepare: Callable[[Path], object], clear: Callable[[Path], object]
) -> dict[str, Any]:
    """In a child: run on a mounted disk, fail, clear the fault, resume; return what it found."""

    def act() -> None:
        disk = folder / "disk"
        try:
            small_disk.mount(disk, 64 << 20)
        except SkippedError as reason:
            (folder / "skipped").write_text(str(reason))
            return
        prepare(disk)
        first = start_train(disk / "work", *LINE, RUN_DIR).wait()
        (folder / "first.json").write_text(json.dumps([first.code, first.out, first.err]))
        clear(disk)
        second = resume(disk / "work", *LINE).wait()
        (folder / "second.json").write_text(json.dumps([second.code, second.out, second.err]))
        shutil.copytree(disk / "work" / "run", folder / "run")

    child: Child = start(act, folder)
    outcome = child.wait(300)
    if (folder / "skipped").exists():
        raise SkippedError((folder / "skipped").read_text())
    ended_well(outcome)
    return {
        n: Outcome(*json.loads((folder / f"{n}.json").read_text())) for n in ("first", "second")
    }


def disk_is_full(folder: Path, attempts: Attempts) -> None:
    """A real disk that is full at once, after the folder, and in the middle of a save."""
    alone = left_alone(folder / "alone", *LINE)
    for free in (0, 8 << 10, 96 << 10, 200 << 10, 400 << 10):
        with attempts.one(f"{free} bytes free:"):

            def fill(disk: Path, free: int = free) -> None:
                (disk / "work").mkdir()
                (disk / "work.streams").mkdir()
                small_disk.resize(disk, 1 << 20)
                size = (1 << 20) - free - (8 << 10)
                (disk / "ballast").write_bytes(bytes(max(size, 0)))

            found = _on_a_small_disk(
                folder / str(free), fill, lambda disk: small_disk.resize(disk, 64 << 20)
            )
            first = found["first"]
            assert first.code == 5, f"exit {first.code}: {first.err[-300:]}"
            if free:
                assert "No space left on device" in first.err or not first.err, first.err[-300:]
            ended_well(found["second"])
            the_same(contents(folder / str(free) / "run"), alone)


PLACES = {
    "checkpoints is a file": (lambda run: (run / "checkpoints").touch(), (5,)),
    "hypotheses is a file": (lambda run: (run / "hypotheses").touch(), (5,)),
    "metrics.csv is a folder": (lambda run: (run / "metrics.csv").mkdir(), (5,)),
    "the lock is a folder": (lambda run: (run / ".lock").mkdir(), (5,)),
    "config.yaml is a folder": (lambda run: (run / "config.yaml").mkdir(), (2, 5)),
    "data_report.json is a folder": (lambda run: (run / "data_report.json").mkdir(), (5,)),
    "manifest.json is a folder": (lambda run: (run / "manifest.json").mkdir(), (5,)),
    "result.json is a folder": (lambda run: (run / "result.json").mkdir(), (5,)),
    "best.ckpt is a folder": (lambda run: (run / "checkpoints/best.ckpt").mkdir(parents=True), (5,)),
    "last.ckpt is a folder": (lambda run: (run / "checkpoints/last.ckpt").mkdir(parents=True), (5,)),
    "a checksum file is a folder": (
        lambda run: (run / "checkpoints/last.ckpt.sha256.json").mkdir(parents=True), (5,)),
    "test.jsonl is a folder": (lambda run: (run / "hypotheses/test.jsonl").mkdir(parents=True), (5,)),
}  # fmt: skip
"""What stands in the way in the run folder, and the exit codes that may come of it."""


def places_are_taken(folder: Path, attempts: Attempts) -> None:
    """A folder where a file should be, and the reverse: it stops even root."""
    alone = left_alone(folder / "alone", *LINE)
    for number, (name, (take, codes)) in enumerate(PLACES.items()):
        with attempts.one(f"{name}:"):
            run = folder / str(number) / "run"
            run.mkdir(parents=True)
            take(run)
            reported(start_train(folder / str(number), *LINE, RUN_DIR).wait(), *codes)
            for path in sorted(run.rglob("*"), reverse=True):
                if (path.is_dir() and path.suffix) or path.stat().st_size == 0:
                    path.rmdir() if path.is_dir() else path.unlink()
            if (run / ".lock").is_dir():
                (run / ".lock").rmdir()
            ended_well(resume(folder / str(number), *LINE).wait())
            ends_like(run, alone)


@row("io")
def io_errors(scale: Scale) -> Iterator[tuple[str, Callable[[Path, Attempts], object]]]:
    """Single writes, whole runs, and disks of the kernel's own."""
    pairs = [(n, c) for n in WRITES for c in CODES]
    for name, code in (
        [("ledger", errno.ENOSPC)] if scale.size == "slice" else scale.thin(pairs, 7, 0)
    ):
        yield (
            f"{name}, {errno.errorcode[code]}",
            lambda f, a, n=name, c=code: every_call_fails(n, c, f, a),
        )
    if scale.size == "slice":
        return
    for share in range(parts := scale.pick(8, 1, 0)):
        yield (
            f"training, part {share + 1}",
            lambda f, a, s=share: training_fails(scale.pick(24, 18, 0), s / parts, f, a),
        )
    yield "a limit on the size of a file", files_stop_growing
    yield "streams that are full", streams_are_full
    yield "a full disk", disk_is_full
    yield "places that are taken", places_are_taken
