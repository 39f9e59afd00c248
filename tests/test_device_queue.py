"""A training step gives an accelerator its work and waits for none of it: a simulated device counts the waits."""

import pytest
import pytorch_lightning as pl
import torch

from seq2seq_lab.batch import places_of
from seq2seq_lab.training.callback.progress import Progress
from seq2seq_lab.training.callback.throughput import Throughput
from support.simulated_queue import HOME, simulated
from support.small_runs import assemble, trainer, weights_hash

COPY = ("debug=tiny", "data=copy", "data.batching.batch_size=8")
MODELS = {
    "default": (),
    "bahdanau": ("model/order=before", "model/attention=additive", "model.encoder.reverse_source=true"),
    "sampling": (
        "model.decoder.input_feeding=true", "training/scheduled_sampling/schedule=constant",
        "training/scheduled_sampling/sampled_token=sample",
    ),
    "parallel": ("training/scheduled_sampling=parallel", "training/scheduled_sampling/schedule=constant"),
    "transformer": ("model=transformer",),
}  # fmt: skip


class Step(pl.Callback):
    """Notes how often the program had waited at the end of each step; the planted bug reads the loss."""

    def __init__(self, waits, *, reads_the_loss=False):
        self.waits, self.reads_the_loss, self.ends = waits, reads_the_loss, []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if self.reads_the_loss:
            float(outputs["loss"])
        self.ends.append(len(self.waits.places))


def waits_of_steps(folder, overrides, **planted):
    """Return where the program waited in the steps after the first, and the weights in the end."""
    parts = assemble(*COPY, *overrides)
    with simulated() as waits:
        step = Step(waits, **planted)
        callbacks = [Throughput(), Progress(), step]
        limits = {"limit_train_batches": 4, "limit_val_batches": 1}
        engine = trainer(folder, callbacks, enable_progress_bar=True, **limits)
        engine.fit(parts.module, datamodule=parts.data)
    assert waits.operations > 1000
    return waits.places[step.ends[0] : step.ends[-1]], weights_hash(parts.module)


@pytest.mark.parametrize("model", MODELS)
def test_a_training_step_waits_for_nothing(tmp_path, model):
    found, weights = waits_of_steps(tmp_path, MODELS[model])
    assert found == []
    parts = assemble(*COPY, *MODELS[model])
    engine = trainer(tmp_path, limit_train_batches=4, limit_val_batches=1)
    engine.fit(parts.module, datamodule=parts.data)
    assert weights_hash(parts.module) == weights  # the device computes what the processor does


def test_a_callback_that_reads_the_loss_is_found(tmp_path):
    found, _ = waits_of_steps(tmp_path, (), reads_the_loss=True)
    assert len(found) == 3
    assert all("_local_scalar_dense at" in one and "test_device_queue.py" in one for one in found)


WAITS = {
    "item": lambda there: there.sum().item(),
    "bool": lambda there: bool(there.any()),
    "tolist": lambda there: there.tolist(),
    "nonzero": lambda there: there.nonzero(),
    "mask": lambda there: there[there > 1],
    "put": lambda there: there.clone().index_put_((there > 1,), torch.zeros(())),
    "places": lambda there: places_of(there.unsqueeze(0) > 1),
    "cpu": lambda there: there.cpu(),
    "home": lambda there: there.to(HOME),
    "new_tensor": lambda there: there.new_tensor(3.0),
    "copy": lambda there: torch.ones(3).to(there.device),
}


@pytest.mark.parametrize("what", WAITS)
def test_the_simulated_device_counts_a_wait(what):
    with simulated() as waits:
        there = torch.arange(3.0).to(torch.device("cpu"), non_blocking=True)
        assert waits.places == []
        WAITS[what](there)
        assert len(waits.places) == 1


def test_the_processor_is_not_the_simulated_device():
    with simulated() as waits:
        here = torch.arange(3.0)
        assert here[here > 1].tolist() == [2.0]
        there = here.to(torch.device("cpu"), non_blocking=True)
        moved = (there.new_full((), 3.0) + there).index_select(
            0, torch.arange(2, device=there.device)
        )
        assert (waits.places, waits.operations > 1) == ([], True)
        assert moved.cpu().tolist() == [3.0, 4.0]
