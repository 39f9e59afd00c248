"""Runs train.py as a process of its own that sends itself signals after a step: `signalled_run.py 3 15 -- debug=tiny`.

Needs tests/ on PYTHONPATH. A fork of the test process would be quicker, but inherits the locks of its threads.
"""

import os
import sys
from typing import Any

from seq2seq_lab.training import session
from support.small_runs import train


def strike_after(step: int, numbers: list[int]) -> None:
    """Have every run of this process send itself these signals when so many steps are done."""

    class Striking(session.Interruption):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if trainer.global_step == step:
                for number in numbers:
                    os.kill(os.getpid(), number)

    session.Interruption = Striking


if __name__ == "__main__":
    step, *numbers = map(int, sys.argv[1 : sys.argv.index("--")])
    strike_after(step, numbers)
    sys.exit(train(*sys.argv[sys.argv.index("--") + 1 :]))
