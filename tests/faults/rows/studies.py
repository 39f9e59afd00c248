"""kill -9 and failing disks at the writes of a study, of its command and its workers, by launchers with no cluster."""

import errno
import importlib.util
import json
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from faults import study_run
from faults.child import Child, start
from faults.disk import Strike, deadly, failing
from faults.row import Attempts, Scale, SkippedError, row
from faults.study_run import drawn_run
from faults.training_runs import ended_well
from seq2seq_lab.study import ledger
from seq2seq_lab.study.matrix import Study
from support import small_studies
from support.small_studies import children, kill, nothing_done_was_run_again

small_studies.conf()  # once, for all processes

SWEEP = ("-m", "study=small", "model.dim=16,32", "seed=1,2")
SCRIPT = str(Path(study_run.__file__))
PLACE = Path("outputs") / "studies" / "small"
LAUNCHERS = {
    "serial": (),
    "local": ("hydra/launcher=local", "hydra.launcher.n_jobs=2"),
    "processes": ("hydra/launcher=processes",),
}
"""The launchers of conf/hydra/launcher that need no cluster."""
NEEDS = {"local": "hydra_plugins.hydra_joblib_launcher", "processes": "submitit"}


def finished(folder: Path) -> dict[str, str]:
    """Return what a finished study says, measured seconds and times aside."""
    place = folder / PLACE
    found = Study.load(place)
    results = {run.name: (found.folder(run) / "result.json").read_text() for run in found.runs}
    names = ("table.csv", "comparisons.csv", "by_length.csv", "runs.csv", "table.tex")
    reports = {name: (place / "report" / name).read_text() for name in names}
    return {**results, **reports, "runs": json.dumps([run.name for run in found.runs])}


def run_study(folder: Path, *, before: Callable[[], object] = lambda: None) -> Child:
    """Start the command in a fork, its runs one after the other."""

    def act() -> int:
        before()
        return small_studies.launch(*SWEEP, main=drawn_run)

    return start(act, folder)


def ends_like(folder: Path, alone: dict[str, str]) -> None:
    """Demand the same numbers and report, every run done once, and nothing left over."""
    assert finished(folder) == alone, "another result or report"
    nothing_done_was_run_again(Study.load(folder / PLACE))
    left = [p.name for p in (folder / PLACE).rglob("*.tmp")]
    assert not left, f"left over: {left}"


def undisturbed(folder: Path) -> tuple[dict[str, str], int]:
    """Run the study twice, and return what it says and how many writes it makes."""
    ended_well(run_study(folder / "alone").wait())

    def counted() -> int:
        strike = Strike(0, lambda _: None, str(PLACE)).install()
        code = small_studies.launch(*SWEEP, main=drawn_run)
        strike.is_on = False
        Path("writes.json").write_text(json.dumps(strike.count))
        return code

    ended_well(start(counted, folder / "counted").wait())
    return finished(folder / "alone"), json.loads((folder / "counted" / "writes.json").read_text())


def at_each_write(
    count: int, part: float, code: int | None, folder: Path, attempts: Attempts
) -> None:
    """Kill the command (or let the call fail) at so many of its writes; the same command ends the study."""
    alone, writes = undisturbed(folder)
    for index in range(min(count, writes)):
        number, place = 1 + int((index + part) * writes / min(count, writes)), folder / str(index)

        def strike(number: int = number, index: int = index) -> None:
            if code is None:
                deadly(number, str(PLACE))
            else:
                failing(number, code, str(PLACE), last=index % 2 == 1)

        with attempts.one(f"write {number} of {writes}:"):
            outcome = run_study(place, before=strike).wait()
            if code is None:
                assert outcome.code in (-9, 0), outcome.err[-300:]
            else:
                assert "Traceback" not in outcome.err, outcome.err[-300:]
                assert outcome.code in (0, 5, 8), f"exit {outcome.code}: {outcome.err[-300:]}"
                if outcome.code == 0:
                    assert finished(place) == alone, "exit 0, but not finished"
            ended_well(run_study(place).wait())
            ends_like(place, alone)
        shutil.rmtree(place)


def _start_process(folder: Path, launcher: str, seconds: str) -> object:
    folder.mkdir(exist_ok=True)
    return small_studies.start(
        folder, *SWEEP, *LAUNCHERS[launcher], script=SCRIPT, SMALL_STUDY_SECONDS=seconds
    )


def workers_are_killed(
    launcher: str, count: int, seed: int, folder: Path, attempts: Attempts
) -> None:
    """Kill the command, one of its workers or all at once, at random moments of a study in real processes."""
    if importlib.util.find_spec(NEEDS.get(launcher, "os").partition(".")[0]) is None:
        raise SkippedError(f"hydra/launcher={launcher} is not installed")
    alone, _ = undisturbed(folder)
    dice = random.Random(f"{seed} {launcher}")
    for number in range(count):
        victim = ("worker", "command", "both")[number % 3] if launcher != "serial" else "command"
        events, place = dice.randrange(4, 13), folder / str(number)
        with attempts.one(f"{victim} after {events} events:"):
            process = _start_process(place, launcher, "0.1")
            book, end = place / PLACE / "ledger.jsonl", time.monotonic() + 100
            while process.poll() is None and len(ledger.read(book)) < events:
                assert time.monotonic() < end, "no progress"
                time.sleep(0.003)
            workers = children(process)
            for worker in workers[: {"worker": 1, "command": 0, "both": None}[victim]]:
                kill(worker)
            if victim != "worker":
                kill(process.pid)
            process.communicate(timeout=100)
            again = _start_process(place, launcher, "0")
            err = again.communicate(timeout=100)[1].decode()
            assert again.returncode == 0, f"exit {again.returncode}: {err[-300:]}"
            ends_like(place, alone)
        shutil.rmtree(place, ignore_errors=True)


@row("studies")
def studies(scale: Scale) -> Iterator[tuple[str, Callable[[Path, Attempts], object]]]:
    """Kills and errors at the writes of the command; kills of workers."""
    if scale.size == "slice":
        return
    parts = scale.pick(4, 1, 0)
    count = scale.pick(12, 8, 0)
    for part in range(parts):
        yield (
            f"killed at a write, part {part + 1}",
            lambda f, a, p=part: at_each_write(count, p / parts, None, f, a),
        )
    for code in (errno.ENOSPC, errno.EIO, errno.EACCES)[: scale.pick(3, 1, 0)]:
        yield (
            f"{errno.errorcode[code]} at a write",
            lambda f, a, c=code: at_each_write(scale.pick(16, 8, 0), c / 100, c, f, a),
        )
    for launcher in LAUNCHERS:
        yield (
            f"processes killed, {launcher}",
            lambda f, a, n=launcher: workers_are_killed(
                n, scale.pick(3, 1 + (n == "local"), 0), scale.seed, f, a
            ),
        )
