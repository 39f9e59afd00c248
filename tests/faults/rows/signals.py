"""SIGINT, SIGTERM and SIGUSR1 in every phase of a run: one line, 130 or 143, and what was saved goes on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from faults.child import Child, compose_once, start
from faults.row import Attempts, Scale, row
from faults.training_runs import RUN, RUN_DIR, SAMPLED, ended_well, ends_like, left_alone, resume
from support.bad_input_files import Outcome
from support.small_runs import ROOT, train

LINE = (*RUN, *SAMPLED)
PHASES = {
    "composing": ("hydra._internal.config_loader_impl", "ConfigLoaderImpl.load_configuration", 1),
    "checking": ("seq2seq_lab.config.check", "all_problems", 1),
    "reading data": ("seq2seq_lab.data.synthetic", "Copy.read", 1),
    "fitting tokenizers": ("seq2seq_lab.data.tokenizer.vocabulary", "Tokenizer.fit", 1),
    "building": ("seq2seq_lab.model.encoder_decoder", "EncoderDecoder.__init__", 1),
    "opening the folder": ("seq2seq_lab.training.session", "write_start", 1),
    "first step": ("seq2seq_lab.training.module", "Seq2SeqModule.training_step", 1),
    "mid epoch": ("seq2seq_lab.training.module", "Seq2SeqModule.training_step", 3),
    "validation": ("seq2seq_lab.training.module", "Seq2SeqModule.validation_step", 1),
    "saving": ("seq2seq_lab.training.checkpoint_io", "AtomicCheckpointIO.save_checkpoint", 2),
    "last step": ("seq2seq_lab.training.module", "Seq2SeqModule.training_step", 8),
    "final evaluation": ("seq2seq_lab.training.module", "Seq2SeqModule.test_step", 1),
    "writing results": ("seq2seq_lab.training.session", "write_result", 1),
    "summary": ("seq2seq_lab.training.summary", "print_summary", 1),
}
"""What runs in a phase, and at which call of it the signal comes."""
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGUSR1: 143}


def strike_in(phase: str, *numbers: int, between: float = 0.0) -> None:
    """Have this process send itself signals when the phase comes."""
    module, name, at = PHASES[phase]
    owner: Any = __import__(module, fromlist=["_"])
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    function, calls = getattr(owner, last), []

    def struck(*arguments: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == at:
            for number in numbers:
                os.kill(os.getpid(), number)
                time.sleep(between)
        return function(*arguments, **named)

    setattr(owner, last, struck)


def start_struck(folder: Path, phase: str, *numbers: int) -> Child:
    """Start a run that is struck in this phase."""
    compose_once(*LINE, RUN_DIR)

    def doomed() -> int:
        strike_in(phase, *numbers)
        return train(*LINE, RUN_DIR)

    return start(doomed, folder)


def one_line_of(outcome: Outcome, code: int, folder: Path) -> None:
    """Demand the exit code and one line; where something was saved, the command that goes on."""
    assert outcome.code == code, f"exit {outcome.code}: {outcome.err[-300:]}"
    assert "Traceback" not in outcome.err + outcome.out, outcome.err[-300:]
    lines = [line for line in outcome.err.split("\n") if line and "saving when this" not in line]
    assert len(lines) == 1, f"{len(lines)} lines: {outcome.err[-300:]}"
    if (folder / "run" / "result.json").exists() and "results are written" in lines[0]:
        return
    if list((folder / "run" / "checkpoints").glob("*.ckpt")):
        assert "resume=auto" in lines[0], f"no command to resume: {lines[0]}"
        assert "run_dir=run" in lines[0], lines[0]


def signalled(phase: str, numbers: list[int], folder: Path, attempts: Attempts) -> None:
    """Send each signal in this phase, and resume."""
    alone = left_alone(folder / "alone", *LINE)
    for number in numbers:
        place = folder / str(int(number))
        with attempts.one(f"{signal.Signals(number).name}:"):
            one_line_of(start_struck(place, phase, number).wait(), SIGNALS[number], place)
        with attempts.one(f"{signal.Signals(number).name}, resumed:"):
            ended_well(resume(place, *LINE).wait())
            ends_like(place / "run", alone)


def twice(phase: str, folder: Path, attempts: Attempts) -> None:
    """A second signal leaves at once, and what lies on disk still goes on."""
    alone = left_alone(folder / "alone", *LINE)
    with attempts.one(f"{phase}:"):
        outcome = start_struck(folder / "run", phase, signal.SIGTERM, signal.SIGINT).wait(30)
        assert outcome.code in (130, 143), f"exit {outcome.code}: {outcome.err[-300:]}"
        assert "Traceback" not in outcome.err, outcome.err[-300:]
        ended_well(resume(folder / "run", *LINE).wait())
        ends_like(folder / "run" / "run", alone)


IMPORTING = """
import importlib.abc, os, runpy, sys
name, number, script = sys.argv[1], int(sys.argv[2]), sys.argv[3]
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, found, path, target=None):
        if found == name:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), number)
sys.meta_path.insert(0, Finder())
sys.argv[:] = sys.argv[3:]
sys.path.insert(0, os.path.dirname(script))
runpy.run_path(script, run_name="__main__")
"""


def while_importing(folder: Path, attempts: Attempts) -> None:
    """A process of its own, struck when it imports a library."""
    script = str(ROOT / "train.py")
    for module in ("omegaconf", "seq2seq_lab.config.check", "torch", "pytorch_lightning"):
        for number in (signal.SIGINT, signal.SIGTERM):
            with attempts.one(f"{module}, {signal.Signals(number).name}:"):
                line = [sys.executable, "-c", IMPORTING, module, str(int(number)), script]
                done = subprocess.run([*line, *LINE, RUN_DIR], cwd=folder, capture_output=True)
                text = (done.stdout.decode(), done.stderr.decode())
                one_line_of(Outcome(done.returncode, *text), SIGNALS[number], folder)


@row("signals")
def signals(scale: Scale) -> Iterator[tuple[str, Callable[[Path, Attempts], object]]]:
    """Each signal in each phase, and two signals in each."""
    numbers = list(SIGNALS)
    phases = ["mid epoch"] if scale.size == "slice" else list(PHASES)
    for index, phase in enumerate(phases):
        chosen = numbers if scale.size == "full" else [numbers[index % 3]]
        yield phase, lambda f, a, p=phase, n=chosen: signalled(p, n, f, a)
    if scale.size != "slice":
        yield "importing", while_importing
        for phase in scale.thin(list(PHASES), 7, 0):
            yield f"twice, {phase}", lambda f, a, p=phase: twice(p, f, a)
