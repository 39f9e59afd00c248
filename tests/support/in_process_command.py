"""Commands in this process, on one shared trained run."""

import io
import sys
from pathlib import Path

import pytest

from seq2seq_lab.commands.dispatch import carry_out
from support.small_runs import SMALL_COPY, run_folder

LINES = ["0 1 2", "", "5", "3 3 3 1 2 0", "   ", "</s> 1 <eos> 2", "1 0\u20285", "4 4"]


def learned() -> Path:
    """Return a run whose outputs differ from line to line."""
    few = tuple(o for o in SMALL_COPY if "num_train" not in o)
    model = ("model.dim=32", "model.embedding_dim=16", "training.optimizer.lr=0.01")
    small = ("data.corpus.num_train=120", "training.trainer.max_epochs=6", "decoding.max_ratio=1.0")
    return run_folder(*few, *model, *small)


@pytest.fixture(scope="module", autouse=True)
def trained():
    """Train before any output is captured."""
    return learned()


@pytest.fixture
def command(monkeypatch, capfdbinary):
    """Run a command in this process: arguments and standard input -> (exit code, output, errors)."""

    def run(name, *arguments, stdin=b""):
        output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        monkeypatch.setattr(sys, "stdout", output)
        code = carry_out([name, *map(str, arguments)])
        output.flush()
        return code, output.buffer.getvalue().decode(), capfdbinary.readouterr().err.decode()

    return run


@pytest.fixture(scope="module")
def expected():
    """The translations of LINES, each made alone."""
    from seq2seq_lab.inference.trained import load

    translator = load(learned()).translator
    return [translator.translate([line])[0].text for line in LINES]


def text_of(lines) -> str:
    return "".join(f"{line}\n" for line in lines)


def one_line_error(found, code):
    assert found[0] == code, found
    assert found[2].startswith("error: ")
    assert found[2].count("\n") == 1
    assert "Traceback" not in found[2]
    return found[2]
