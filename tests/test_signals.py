"""A signal in every phase of a run: one line, the exit code, and a resumed run that ends as if left alone."""

import os
import re
import shlex
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seq2seq_lab import stopping
from seq2seq_lab.data.tokenizer import vocabulary
from seq2seq_lab.training import checkpoint_io, session, summary
from seq2seq_lab.training.callback.bleu import Bleu
from seq2seq_lab.training.callback.checkpoint import Checkpoint
from seq2seq_lab.training.datamodule import Seq2SeqDataModule
from seq2seq_lab.training.logger.csv_metrics import CsvMetrics
from support.resumed_runs import RUN, ends_like
from support.small_runs import run_folder, train

Condition = Callable[..., bool]


def always(*_: Any) -> bool:
    return True


def in_step(step: int) -> Condition:
    return lambda callback, trainer, *_: trainer.global_step == step


def scoring(split: str, fn: str) -> Condition:
    return lambda bleu, name, trainer, *_: name == split and trainer.state.fn == fn


PHASES: dict[str, tuple[Any, str, Condition]] = {
    "reading data": (Seq2SeqDataModule, "setup", always),
    "fitting tokenizers": (vocabulary.VocabularyTokenizer, "fit", always),
    "building": (session, "make_translator", always),
    "making the run folder": (session, "resume_point", always),
    "opening loggers": (CsvMetrics, "__init__", always),
    "before the first step": (Checkpoint, "on_train_start", always),
    "mid epoch": (Checkpoint, "on_train_batch_start", in_step(6)),
    "in validation": (Bleu, "_score", scoring("val", "fit")),
    "while a checkpoint is written": (checkpoint_io, "sha256_of", always),
    "while the last one is written": (Checkpoint, "on_train_end", always),
    "final validation": (Bleu, "_score", scoring("val", "validate")),
    "final test": (Bleu, "_score", scoring("test", "test")),
    "writing result.json": (session, "write_result", always),
    "when result.json is written": (session.Interruption, "recorded", always),
    "printing the summary": (summary, "Console", always),
}
"""What is called in each phase, and which call it is."""
FAST = {"reading data", "final test"}
NO_FOLDER = {"reading data", "fitting tokenizers", "building"}
WRITTEN = {"when result.json is written", "printing the summary"}


def strike(monkeypatch: pytest.MonkeyPatch, phase: str, number: int) -> None:
    """Send this process the signal at the first call of a phase."""
    owner, name, wanted = PHASES[phase]
    original = getattr(owner, name)

    def struck(*arguments: Any, **named: Any) -> Any:
        if wanted(*arguments):
            monkeypatch.setattr(owner, name, original)
            os.kill(os.getpid(), number)
        return original(*arguments, **named)

    monkeypatch.setattr(owner, name, struck)


def stops_and_goes_on(
    folder: Path, phase: str, number: int, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    strike(monkeypatch, phase, number)
    before = {n: signal.getsignal(n) for n in stopping.SIGNALS}
    assert train(*RUN, f"run_dir={folder}") == (130 if number == signal.SIGINT else 143)
    assert {n: signal.getsignal(n) for n in stopping.SIGNALS} == before
    told = capsys.readouterr().err.splitlines()
    errors = [line for line in told if not line.startswith(("epoch", "SIG", "  "))]
    assert len(errors) == 1, told
    assert errors[0].startswith(f"error: stopped by {signal.Signals(number).name}")
    assert list(folder.rglob("*.tmp")) + list(folder.rglob(".lock")) == []
    assert (folder / "result.json").exists() == (phase in WRITTEN)
    resume = re.search("resume with: (.*)", errors[0])
    assert (resume is None) == (phase in NO_FOLDER | {"printing the summary"}), errors
    line = shlex.split(resume[1])[2:] if resume else [*RUN, f"run_dir={folder}", "resume=auto"]
    assert train(*line[-len(RUN) - 2 :]) == 0


@pytest.fixture(scope="module")
def alone() -> Path:
    return run_folder(*RUN)


@pytest.mark.parametrize(
    "phase", [p if p in FAST else pytest.param(p, marks=pytest.mark.slow) for p in PHASES]
)
def test_a_signal_in_any_phase_loses_nothing(tmp_path, alone, phase, monkeypatch, capsys):
    number = stopping.SIGNALS[list(PHASES).index(phase) % len(stopping.SIGNALS)]
    stops_and_goes_on(tmp_path / "run", phase, number, monkeypatch, capsys)
    ends_like(tmp_path / "run", alone)
