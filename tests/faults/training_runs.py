"""Small training runs of every kind, killed and resumed, and the demand that they end as if left alone."""

import json
import os
import signal
from pathlib import Path
from typing import Any

from faults.child import Child, compose_once, run_train, start, start_train
from faults.disk import Strike, deadly
from seq2seq_lab.inference.checkpoint_file import read_checkpoint
from seq2seq_lab.training import session
from support.bad_input_files import Outcome
from support.resume_equality import the_same
from support.small_runs import train

RUN = (
    "debug=tiny", "data=copy", "data.max_length=5", "data.corpus.num_train=16", "data.corpus.num_val=8",
    "data.corpus.num_test=8", "data.batching.batch_size=4", "model.dropout=0.3", "training/logger=csv",
    "training/callback=[bleu,early_stopping,checkpoint]", "training.callback.checkpoint.every_n_minutes=0.0001",
    "torch_threads=1",
)  # fmt: skip
"""Two epochs of four steps, saved before every step."""
SAMPLED = (
    "training/scheduled_sampling/schedule=constant",
    "training/scheduled_sampling/sampled_token=sample",
    "training.scheduled_sampling.schedule.ratio=0.5",
)
"""Every step draws random numbers."""


RUN_DIR = "run_dir=run"
"""The folder of the run, below the working folder of its process."""


def contents(run: Path) -> dict[str, Any]:
    """Return all that a finished run left behind, but the paths and times of its own."""
    kept: dict[str, Any] = {}
    for path in sorted((run / "checkpoints").glob("*.ckpt")):
        state = read_checkpoint(path)
        kept[path.name] = {key: value for key, value in state.items() if key != "seq2seq_lab"}
    files = ["metrics.csv", "result.json", "data_report.json"]
    files += [f"hypotheses/{p.name}" for p in sorted((run / "hypotheses").glob("*"))]
    return {**kept, **{name: (run / name).read_text(encoding="utf-8") for name in files}}


def ends_like(run: Path, alone: dict[str, Any]) -> None:
    """Demand bit-equality with the run left alone, and no file that a kill left over."""
    the_same(contents(run), alone)
    left = [p.name for p in run.rglob("*") if p.suffix == ".tmp" or p.name == ".lock"]
    assert not left, f"left over: {left}"


def ended_well(outcome: Outcome) -> None:
    """Demand exit code 0."""
    assert outcome.code == 0, f"exit {outcome.code}: {outcome.err[-400:]}"


def left_alone(folder: Path, *overrides: str) -> dict[str, Any]:
    """Run undisturbed and return the contents."""
    ended_well(run_train(folder, *overrides, RUN_DIR))
    return contents(folder / "run")


def writes_of(folder: Path, *overrides: str) -> int:
    """Run undisturbed and return how many calls of the process changed something in the run folder."""

    compose_once(*overrides, RUN_DIR)

    def counted() -> int:
        strike = Strike(0, lambda _: None, str(folder / "run")).install()
        code = train(*overrides, RUN_DIR)
        strike.is_on = False
        (folder / "writes.json").write_text(json.dumps(strike.count))
        return code

    ended_well(start(counted, folder).wait())
    return int(json.loads((folder / "writes.json").read_text()))


def killed_at_write(folder: Path, number: int, *overrides: str) -> Child:
    """Start a run that dies at its n-th change of the run folder."""

    compose_once(*overrides, RUN_DIR)

    def doomed() -> int:
        deadly(number, str(folder / "run"))
        return train(*overrides, RUN_DIR)

    return start(doomed, folder)


def killed_at_hook(folder: Path, hook: str, step: int, *overrides: str, number: int = 9) -> Child:
    """Start a run that sends itself a signal when this hook of Lightning comes after so many steps."""

    compose_once(*overrides, RUN_DIR)

    def doomed() -> int:
        strike_at(hook, step, number)
        return train(*overrides, RUN_DIR)

    return start(doomed, folder)


def strike_at(hook: str, step: int, number: int = signal.SIGKILL) -> None:
    """Have every run of this process send itself a signal at a hook, once."""

    class Striking(session.Interruption):
        """Strikes where `hook` comes."""

        has_struck = False

    def strike(self: Any, trainer: Any, *arguments: Any, **named: Any) -> None:
        if not self.has_struck and trainer.global_step == step and trainer.state.fn == "fit":
            self.has_struck = True
            os.kill(os.getpid(), number)
        getattr(super(Striking, self), hook)(trainer, *arguments, **named)

    setattr(Striking, hook, strike)
    session.Interruption = Striking  # type: ignore[misc]


def resume(folder: Path, *overrides: str) -> Child:
    """Start the command that goes on."""
    return start_train(folder, *overrides, RUN_DIR, "resume=auto")
