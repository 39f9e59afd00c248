"""`check_callback`: observing changes nothing."""

import io
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seq2seq_lab.doctor.agreement import PropertyBroken, demand
from seq2seq_lab.testing.claims import Claim, hold
from seq2seq_lab.testing.small_training import Parts, small, trainer

RANDOM_TRAINING = ("model.dropout=0.3", "training/scheduled_sampling/schedule=constant")
"""Training that draws random numbers at every step, so that a number drawn by an observer is seen."""
EPOCHS = 2


def train(folder: Path, callbacks: list[Any], *, test: bool = False, **settings: Any) -> Parts:
    """Train the small model from the same seed with these callbacks, with a test after it if asked for."""
    parts = small(*RANDOM_TRAINING)
    engine = trainer(folder, callbacks, max_epochs=EPOCHS, **settings)
    engine.fit(parts.module, datamodule=parts.data)
    if test:
        engine.test(parts.module, datamodule=parts.data, verbose=False)
    return parts


def weights_after(folder: Path, callbacks: list[Any], **settings: Any) -> dict[str, Tensor]:
    """Return the weights of the small model, trained from the same seed with these callbacks and settings."""
    return train(folder, callbacks, **settings).module.state_dict()


def weights_are_equal(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """The same names and the same bits; the message names the weight that is furthest off."""
    demand(found.keys() == expected.keys(), "other weights than without it")
    off = {
        name: float((value.double() - expected[name].double()).abs().max())
        for name, value in found.items()
        if not torch.equal(value, expected[name])
    }
    if off:
        worst = max(off, key=lambda name: off[name])
        raise PropertyBroken(
            f"{len(off)} of {len(found)} weights differ, {worst} by {off[worst]:.1e}"
        )


def observing_changes_nothing(folder: Path, callbacks: list[Any], **settings: Any) -> None:
    """O22: the same weights, bit for bit, with these observers and settings, and without validation or observer."""
    found = weights_after(folder, callbacks, **settings)
    weights_are_equal(found, _weights_alone(torch.get_num_threads()))


@cache
def _weights_alone(threads: int) -> dict[str, Tensor]:  # noqa: ARG001 - the order of a sum may depend on it
    with tempfile.TemporaryDirectory() as folder:
        return weights_after(Path(folder), [], limit_val_batches=0)


def state_can_be_stored(callback: Any) -> None:
    """What a checkpoint stores of the callback is read again without running code of a file."""
    stored = io.BytesIO()
    torch.save(callback.state_dict(), stored)
    stored.seek(0)
    try:
        state = torch.load(stored, weights_only=True)
    except Exception as error:  # torch's own kinds of error
        first = str(error).strip().split("\n")[0]
        raise PropertyBroken(
            f"state_dict() holds more than tensors and plain values: {first}"
        ) from error
    callback.load_state_dict(state)


def check_callback(make: Callable[..., Any], **arguments: Any) -> None:
    """Raise `AssertionError` unless a callback only observes: the weights with and without it are bit-equal.

    `make` is the class, made anew for each training with `arguments`. A small model is trained on the CPU for two
    epochs with dropout and scheduled sampling, with and without the callback, with validation, a CSV logger and a test
    after training. A callback that shall change training (early stopping, averaged weights) is not one to check here.
    """
    from seq2seq_lab.training.logger.csv_metrics import CsvMetrics  # Lightning: seconds to import

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        callback = make(**arguments)

        def watched() -> None:
            logged = {"logger": [CsvMetrics(folder)], "log_every_n_steps": 1, "test": True}
            observing_changes_nothing(folder, [callback], **logged)

        claims = [
            Claim(
                "observing changes nothing (O22)",
                watched,
                "Look for a number drawn from torch's global generator (make a torch.Generator of your own), for a "
                "change of weights or gradients, and for train() or eval() that is not undone",
            ),
            Claim(
                "its state fits into a checkpoint",
                lambda: state_can_be_stored(callback),
                "Return numbers, texts, lists, dicts and tensors from state_dict()",
            ),
        ]
        hold(getattr(make, "__name__", type(callback).__name__), claims)
