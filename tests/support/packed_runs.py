"""Small runs, alone and as a pack, that leave checkpoints and rows behind."""

from pathlib import Path
from typing import Any

import torch

from seq2seq_lab.inference.checkpoint_file import newest_whole
from seq2seq_lab.training import session
from seq2seq_lab.training.callback.early_stopping import EarlyStopping
from seq2seq_lab.training.logger.csv_metrics import CsvMetrics
from seq2seq_lab.training.pack import Pack
from seq2seq_lab.training.resume import ResumeState
from support.resume_equality import SHORT, FallingBleu, SavesAt, outcome
from support.small_runs import small, trainer

LIVELY = ("model.dropout=0.3", "training.optimizer.lr=0.01", "data.batching.batch_size=2")
"""Four steps of two batches an epoch: of two batches the loss is divided by a power of two, so no bit changes."""


def train_seed(
    folder: Path,
    seed: int,
    *overrides: str,
    callbacks: Any = (),
    patience: int = 50,
    **settings: Any,
) -> Path:
    """Train the run of one seed, or go on where it stopped; return its folder."""
    parts = small(*SHORT, *LIVELY, f"seed={seed}", *overrides, seed=seed)
    io = session.checkpoint_io({**parts.run, "resume": None}, parts.data)
    stopping = EarlyStopping(monitor="val/bleu", patience=patience)
    with session.Interruption(f"again {seed}") as interruption:
        saver = SavesAt(monitor="val/bleu")
        saver.every_n_minutes = saver.every_n_minutes or 5.0
        chosen = [FallingBleu(), stopping, saver, ResumeState(), interruption, *callbacks]
        engine = trainer(
            folder,
            callbacks=session.callbacks(chosen, folder),
            plugins=[io],
            logger=CsvMetrics(folder),
            enable_checkpointing=True,
            **{"max_epochs": 3, "log_every_n_steps": 2, "accumulate_grad_batches": 2, **settings},
        )
        torch.manual_seed(seed)
        session.fit(engine, parts.module, parts.data, newest_whole(folder / "checkpoints")[0])
    return folder


def alone(folder: Path, seeds: Any, *overrides: str, **settings: Any) -> list[dict[str, Any]]:
    """Return what each seed leaves behind when it trains alone."""
    folders = [train_seed(folder / f"alone{s}", s, *overrides, **settings) for s in seeds]
    return [outcome(one, {}) for one in folders]


def pack_of(folder: Path, seeds: Any, *overrides: str, more: Any = None, **settings: Any) -> Pack:
    """Train the seeds as a pack and return it; `more` has arguments for some seeds."""
    tasks = [
        (
            f"seed={s}",
            lambda s=s: train_seed(
                folder / f"packed{s}", s, *overrides, **{**settings, **(more or {}).get(s, {})}
            ),
        )
        for s in seeds
    ]
    pack = Pack(tasks)
    pack.run()
    return pack


def outcomes(pack: Pack) -> list[dict[str, Any]]:
    """Return what the runs of a pack left behind; raise what one raised."""
    for member in pack.members:
        if member.error is not None:
            raise member.error
    return [outcome(member.value, {}) for member in pack.members]
