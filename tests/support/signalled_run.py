"""Runs train.py as a process of its own that meets faults on its way: `signalled_run.py 3 15 -- debug=tiny`.

The first word says when: a number of steps that are done, `start` (before data are read) or `test`. The others say
what: a signal that the process sends itself, or the name of an error that it raises. `@1` behind it means the second
process of a distributed run; without it, it is the first. Needs tests/ on PYTHONPATH. A fork of the test process would
be quicker, but inherits the locks of its threads.
"""

import os
import sys
from typing import Any

from seq2seq_lab import errors
from seq2seq_lab.training import session
from seq2seq_lab.training.datamodule import Seq2SeqDataModule
from support.small_runs import train


def fault(what: str) -> None:
    """Do what is said, if it is this process of the run that should."""
    what, _, rank = what.partition("@")
    if os.environ.get("LOCAL_RANK", "0") != (rank or "0"):
        return
    if what.isdecimal():
        os.kill(os.getpid(), int(what))
    else:
        raise getattr(errors, what, RuntimeError)(f"planted {what}")


def strike(when: str, faults: list[str]) -> None:
    """Have every run of this process meet these faults."""

    class Striking(session.Interruption):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if str(trainer.global_step) == when:
                strike_now()

        def on_test_start(self, *_: Any) -> None:
            if when == "test":
                strike_now()

    def strike_now() -> None:
        for what in faults:
            fault(what)

    session.Interruption = Striking  # type: ignore[misc]
    setup = Seq2SeqDataModule.setup
    if when == "start":
        Seq2SeqDataModule.setup = lambda *a, **k: (strike_now(), setup(*a, **k))[1]  # type: ignore[method-assign]


if __name__ == "__main__":
    end = sys.argv.index("--")
    strike(sys.argv[1], sys.argv[2:end])
    sys.exit(train(*sys.argv[end + 1 :]))
