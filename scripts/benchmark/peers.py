"""Our `train.py` against the peers' own training commands, on the same text."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmark.commands import Command, joeynmt, open_nmt, ours, write_work
from benchmark.processes import in_turn
from benchmark.timing import Rate, ratio
from benchmark.work import pairs_for
from seq2seq_lab.errors import ConfigError

PAIRS = 29_000
LINES = 4
INPUT_FEEDING, NO_FEEDBACK = "ours, input feeding, general", "ours, no feedback, general"
Report = Callable[[str, dict[str, Rate], str, str], dict[str, float]]


def commands(arguments: Any, text: Path) -> list[Command]:
    """Return what is compared: ours in the peers' two structures, and the peers that are there."""
    train = Path("train.py").resolve()
    if not train.exists():
        raise ConfigError("train.py is not here: run the benchmark from the folder of train.py")
    mlp = "model/attention=additive"
    fed = "model.decoder.input_feeding=true"
    found = [
        ours(INPUT_FEEDING, train, text, fed),
        ours("ours, input feeding, additive", train, text, fed, mlp),
        ours(NO_FEEDBACK, train, text),
    ]
    if arguments.joeynmt:
        python = Path(arguments.joeynmt).absolute()
        found += [joeynmt(python, text, kind) for kind in ("bahdanau", "luong")]
    if arguments.opennmt:
        python = Path(arguments.opennmt).absolute()
        found += [
            open_nmt(python, text, "mlp", input_feeding=True),
            open_nmt(python, text, "general", input_feeding=True),
            open_nmt(python, text, "general", input_feeding=False),
        ]
    return found


def peers(arguments: Any, report: Report) -> dict[str, Any]:
    """Run every command line in turn: speed, start-up and memory."""
    with tempfile.TemporaryDirectory() as name:
        text = Path(name)
        write_work(text, pairs_for(arguments, PAIRS))
        chosen = commands(arguments, text)
        rates, others = in_turn(chosen, arguments.rounds, LINES, torch.get_num_threads())
    report("Whole command lines", rates, INPUT_FEEDING, "target tokens/s")
    over = {
        mine: {
            name: ratio(rates[mine], rate).median
            for name, rate in rates.items()
            if not name.startswith("ours")
        }
        for mine in rates
        if mine.startswith("ours")
    }
    says = [
        f"{mine} / {name}: {r:.2f}" for mine, found in over.items() for name, r in found.items()
    ]
    says += [
        f"{name}: first step after {found['first_step_s']:.1f} s, peak memory {found['peak_memory_mb']:,.0f} MB"
        for name, found in others.items()
    ]
    return {"peers": over, "start_and_memory": others, "says": says}
