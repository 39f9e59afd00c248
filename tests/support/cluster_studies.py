"""A study of 24 runs on an engine, killed in the middle: what is started, waited for and demanded."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from seq2seq_lab.study import ledger
from seq2seq_lab.study.matrix import lock_of
from support import small_studies
from support.sessions import holder, kill_session
from support.small_studies import ROOT, nothing_done_was_run_again, results, study

FAKE = ("-m", "study=small", "model.dim=16,32", "seed=range(1,13)")
"""Two arms x twelve seeds of runs that only write their files."""
REAL = (
    "-m", "study=small", "model=lstm,lstm_attn", "seed=range(1,13)", "debug=tiny", "data=copy",
    "data.corpus.num_train=64", "training/logger=csv", "training/callback=[bleu,checkpoint]",
)  # fmt: skip
"""The same of real ones."""
SECONDS = 280.0
SOURCE = [str(ROOT / "src"), str(ROOT / "tests")]


class ClusterStudy:
    """The study in a folder; `engine` are the arguments that choose the launcher, `variables` its environment."""

    def __init__(
        self, folder: Path, sweep: tuple[str, ...], engine: tuple[str, ...], **variables: str
    ) -> None:
        folder.mkdir(exist_ok=True)
        own = folder / "tmp"  # with the slots of the cores, which all studies of a user share
        own.mkdir(exist_ok=True)
        self.folder, self.arguments = folder, (*sweep, *engine)
        self.variables = {"TMPDIR": str(own), **variables}
        self.script = str(ROOT / "train.py") if sweep is REAL else ""
        self.place = folder / "outputs" / "studies" / "small"
        self.book = self.place / "ledger.jsonl"
        self.commands: list[subprocess.Popen] = []

    def start(self) -> subprocess.Popen:
        process = small_studies.start(
            self.folder, *self.arguments, script=self.script, **self.variables
        )
        self.commands.append(process)
        return process

    def events(self, kind: str) -> list[str]:
        return [event.run for event in ledger.read(self.book) if event.event == kind]

    def wait_for(self, kind: str, count: int) -> None:
        """Wait until so many events of a kind are in the ledger."""
        end = time.monotonic() + SECONDS
        while len(self.events(kind)) < count:
            process = self.commands[-1]
            assert process.poll() is None, self.said(process)[-2000:]
            assert time.monotonic() < end, f"{self.events(kind)}"
            time.sleep(0.05)

    def under_way(self) -> list[str]:
        """Return the runs that were started and have not ended, the newest last."""
        events = [event for event in ledger.read(self.book) if event.event != "skipped"]
        newest = {event.run: place for place, event in enumerate(events)}
        return [e.run for n, e in enumerate(events) if e.event == "started" and newest[e.run] == n]

    def kill_a_run(self) -> str:
        """Kill the process that carries out a run now and return the run."""
        end = time.monotonic() + SECONDS
        while True:
            for run in reversed(self.under_way()):
                number = holder(lock_of(self.place / "runs" / run))
                if number is not None:
                    os.kill(number, signal.SIGKILL)
                    return run
            assert time.monotonic() < end, "no run is under way"
            time.sleep(0.05)

    def kill_command(self) -> None:
        """Kill the newest command alone: not its workers."""
        self.commands[-1].kill()
        self.commands[-1].wait(SECONDS)

    def said(self, process: subprocess.Popen) -> str:
        """Return what an ended or ending command and its workers say; what goes on too long is killed."""
        try:
            return process.communicate(timeout=SECONDS)[1].decode()
        except subprocess.TimeoutExpired:
            kill_session(process.pid)
            raise

    def finish(self, process: subprocess.Popen | None = None) -> str:
        """Wait for the command (or start it again), demand that all runs are done, and return what it said."""
        process = process or self.start()
        said = self.said(process)
        assert process.returncode == 0, said[-2000:]
        return said

    def close(self) -> None:
        """Kill what is left of the commands and their workers."""
        for process in self.commands:
            kill_session(process.pid)
            process.communicate(timeout=10)

    def is_like(self, serial: dict) -> None:
        """Demand 24 runs, each done once in its folder, the numbers of a serial study and a true ledger."""
        found = study(self.place)
        assert len(found.runs) == 24
        assert results(found) == serial
        nothing_done_was_run_again(found)
        assert sorted(p.name for p in (found.place / "runs").iterdir()) == sorted(
            run.name for run in found.runs
        )
        the_ledger_is_true(found.ledger)


def the_ledger_is_true(book: Path) -> None:
    """Law: of each run every start has one end before the next one, and the last end is `done`."""
    lines = [json.loads(line) for line in book.read_text().splitlines()]
    assert len(lines) == len(ledger.read(book))
    for name in {line["run"] for line in lines}:
        kinds = [
            line["event"] for line in lines if line["run"] == name and line["event"] != "skipped"
        ]
        assert kinds[0] == "planned", name
        assert kinds[1::2] == ["started"] * len(kinds[1::2]), (name, kinds)
        assert set(kinds[2:-1:2]) <= {"interrupted", "failed"}, (name, kinds)
        assert kinds[-1] == "done", (name, kinds)


def serial_numbers(folder: Path, sweep: tuple[str, ...]) -> dict:
    """Return the numbers of the study whose runs come one after the other, in one process."""
    alone = ClusterStudy(folder, sweep, ())
    try:
        alone.finish()
    finally:
        alone.close()
    return results(study(folder / "outputs" / "studies" / "small"))


def environment(**variables: str) -> dict[str, str]:
    """Return variables for a command whose PATH begins with a folder."""
    front = variables.pop("front", "")
    path = f"{front}{os.pathsep}{os.environ['PATH']}" if front else os.environ["PATH"]
    return {**variables, "PATH": path}
