"""O19: a run that is killed and resumed ends bit-equal to one that was left alone."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from seq2seq_lab.inference.checkpoint_file import newest_whole, read_checkpoint
from seq2seq_lab.training import session
from seq2seq_lab.training.callback.checkpoint import Checkpoint
from seq2seq_lab.training.callback.early_stopping import EarlyStopping
from seq2seq_lab.training.logger.csv_metrics import CsvMetrics
from seq2seq_lab.training.resume import ResumeState
from support.small_runs import small, trainer

LIVELY = (
    "model.dropout=0.3",
    "training/scheduled_sampling/schedule=constant",
    "training.scheduled_sampling.schedule.ratio=0.5",
    "training/scheduled_sampling/sampled_token=sample",
    "training.optimizer.lr=0.01",
)
"""Everything that draws random numbers does."""
SHORT = ("data.max_length=4", "data.corpus.num_train=16", "data.corpus.num_val=4")
"""Four steps an epoch."""


class KilledError(BaseException):
    """What a kill looks like to the code that it hits."""


@dataclass
class Kill(pl.Callback):
    """Ends the run at a hook when so many steps are done."""

    hook: str
    step: int

    def __post_init__(self):
        setattr(self, self.hook, self._strike)

    def _strike(self, trainer, *_):
        if trainer.global_step == self.step and trainer.state.fn == "fit":
            raise KilledError


class SavesAt(Checkpoint):
    """Saves after steps 1, 4, 7 ... where the real one looks at the clock."""

    def _is_time(self, trainer):
        return trainer.global_step % 3 == 1

    @property
    def state_key(self):
        return "Checkpoint"


class FallingBleu(pl.Callback):
    """Logs what the plateau schedule watches."""

    def on_validation_epoch_end(self, trainer, pl_module):
        pl_module.log("val/bleu", float(50 - trainer.current_epoch))


@dataclass
class Consumed(pl.Callback):
    """Notes the pairs of every batch by its step."""

    ids: dict[int, list[int]] = field(default_factory=dict)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.ids[trainer.fit_loop.epoch_loop.total_batch_idx] = batch.ids.tolist()


def session_of_run(
    folder: Path,
    *overrides: str,
    kill: Kill | None = None,
    resume: bool = False,
    **settings: Any,
) -> dict[int, list[int]]:
    """Train with fresh objects until the end or the kill; return the pairs of every batch."""
    parts, consumed = small(*SHORT, *LIVELY, *overrides), Consumed()
    engine_parts: list[Any] = [
        FallingBleu(),
        EarlyStopping(monitor="val/bleu", patience=50),
        SavesAt(monitor="val/bleu"),  # it falls: the first stays the best
        consumed,
        ResumeState(),
        *([kill] if kill else []),
    ]
    io = session.checkpoint_io({**parts.run, "resume": None}, parts.data)
    engine = trainer(
        folder,
        callbacks=session.callbacks(engine_parts, folder),
        plugins=[io],
        logger=CsvMetrics(folder),
        enable_checkpointing=True,
        **{"max_epochs": 3, "log_every_n_steps": 2, **settings},
    )
    found = newest_whole(folder / "checkpoints")[0] if resume else None
    try:
        session.fit(engine, parts.module, parts.data, found)
    except KilledError:
        assert kill is not None
    else:
        assert kill is None, "was not killed"
    return consumed.ids


def outcome(folder: Path, ids: dict[int, list[int]]) -> dict[str, Any]:
    """Return all that a run left behind: both checkpoints whole, the rows, the pairs it saw."""
    kept = {}
    for name in ("last", "best"):
        state = read_checkpoint(folder / "checkpoints" / f"{name}.ckpt")
        kept[name] = {key: value for key, value in state.items() if key != "seq2seq_lab"}
    return {**kept, "rows": (folder / "metrics.csv").read_text().splitlines(), "pairs": ids}


def left_alone(folder: Path, *overrides: str, **settings: Any) -> dict[str, Any]:
    """Return the outcome of a run that nobody disturbed."""
    return outcome(folder, session_of_run(folder, *overrides, **settings))


def killed_and_resumed(
    folder: Path, kills: list[Kill], *overrides: str, **settings: Any
) -> dict[str, Any]:
    """Return the outcome of a run that was killed at each of these places."""
    ids: dict[int, list[int]] = {}
    for number, kill in enumerate([*kills, None]):
        seen = session_of_run(folder, *overrides, kill=kill, resume=number > 0, **settings)
        assert all(ids[step] == seen[step] for step in ids.keys() & seen.keys()), "other pairs"
        ids |= seen
    return outcome(folder, ids)


def the_same(one: Any, other: Any, place: str = "") -> None:
    """Demand bit-equality of everything, folders of the runs aside."""
    assert type(one) is type(other), place
    if isinstance(one, dict):
        assert list(map(_bare, one)) == list(map(_bare, other)), place
        for key, value, again in zip(one, one.values(), other.values(), strict=True):
            the_same(value, again, f"{place}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), place
        for number, (value, again) in enumerate(zip(one, other, strict=True)):
            the_same(value, again, f"{place}.{number}")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), place
    else:
        assert _bare(one) == _bare(other), place


def _bare(value: Any) -> Any:
    """Take the folder off a path."""
    if isinstance(value, str) and value.endswith((".ckpt", "checkpoints")):
        return Path(value).name
    return value
