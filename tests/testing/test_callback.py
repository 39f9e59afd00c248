"""`check_callback` on an observer of ours, and on callbacks with one planted bug each."""

import pytest
import pytorch_lightning as pl
import torch

from seq2seq_lab.data import drawing
from seq2seq_lab.testing import check_callback
from seq2seq_lab.training.callback.throughput import Throughput


class ChangesWeights(pl.Callback):
    """Adds a little to a bias."""

    def on_train_epoch_end(self, trainer, pl_module):
        with torch.no_grad():
            pl_module.model.decoder.output.bias += 1e-4


class DrawsNumbers(pl.Callback):
    """Draws from torch's global generator."""

    def on_validation_epoch_end(self, trainer, pl_module):
        torch.rand(1)


class StoresAnObject(pl.Callback):
    """Has a state that a checkpoint cannot give back."""

    def state_dict(self):
        return {"dice": drawing.Dice(1)}


def test_an_observer_passes():
    check_callback(Throughput, window=3)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (ChangesWeights, r"observing changes nothing .*weights differ, .* by .*Look for"),
        (DrawsNumbers, "observing changes nothing"),
        (StoresAnObject, "fits into a checkpoint.*more than tensors and plain values"),
    ],
)
def test_planted_callback_is_caught_and_named(kind, named):
    with pytest.raises(AssertionError, match=named):
        check_callback(kind)
