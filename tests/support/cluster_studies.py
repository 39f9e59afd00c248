"""A study of 24 runs on an engine, killed in the middle: what is started, waited for and demanded."""

import json
import os
import subprocess
import time
from pathlib import Path

from seq2seq_lab.study import ledger
from support import small_studies
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
        self.folder, self.arguments, self.variables = folder, (*sweep, *engine), variables
        self.script = str(ROOT / "train.py") if sweep is REAL else ""
        self.book = folder / "outputs" / "studies" / "small" / "ledger.jsonl"
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
            if process.poll() is not None:
                raise AssertionError(process.communicate()[1].decode()[-2000:])
            assert time.monotonic() < end, f"{self.events(kind)}"
            time.sleep(0.05)

    def finish(self, process: subprocess.Popen | None = None) -> str:
        """Wait for the command (or start it again), demand that all runs are done, and return what it said."""
        process = process or self.start()
        said = process.communicate(timeout=SECONDS)[1].decode()
        assert process.returncode == 0, said[-2000:]
        return said

    def close(self) -> None:
        for process in self.commands:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def is_like(self, serial: dict) -> None:
        """Demand 24 runs, each done once in its folder, the numbers of a serial study and a true ledger."""
        found = study(self.folder / "outputs" / "studies" / "small")
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
