"""Numbers that are not finite are found late on an accelerator, and never after a checkpoint."""

import pytest
import torch

from seq2seq_lab import device_queue
from seq2seq_lab.errors import NotFiniteError
from seq2seq_lab.training.callback.checkpoint import Checkpoint
from seq2seq_lab.training.finite import FiniteCheck
from support.small_runs import small, trainer


class NotANumberFrom(torch.nn.Module):
    """A loss that is not a number from this batch on."""

    def __init__(self, inner, first):
        super().__init__()
        self.inner, self.first, self.calls = inner, first, 0

    def forward(self, logits, targets):
        self.calls += 1
        loss = self.inner(logits, targets)
        return loss if self.calls < self.first else loss * torch.nan


@pytest.fixture
def _queue(monkeypatch):
    monkeypatch.setattr(device_queue, "WITH_QUEUE", {"cpu"})


def test_the_cpu_finds_it_at_once():
    check = FiniteCheck("pairs", "; stop")
    check.add(torch.tensor(1.0), "loss", 1, [1])
    with pytest.raises(NotFiniteError, match=r"^the loss is nan at step 2 on pairs \[3\]; stop$"):
        check.add(torch.tensor(torch.nan), "loss", 2, [3])


@pytest.mark.usefixtures("_queue")
def test_an_accelerator_names_the_first_step_and_its_pairs_when_it_is_asked():
    check = FiniteCheck("pairs", "; stop")
    for step, value in enumerate([1.0, torch.inf, torch.nan]):
        check.add(torch.tensor(value), "gradient norm", step, [*range(step, step + 10)])
    with pytest.raises(NotFiniteError, match=r"norm is inf at step 1 on pairs \[1, .* and 2 more"):
        check.read()
    check.read()  # nothing is left


@pytest.mark.usefixtures("_queue")
def test_an_accelerator_is_asked_after_so_many_steps():
    check = FiniteCheck("pairs", "; stop", most_waiting=3)
    for step in (5, 5, 6, 6):
        check.add(torch.tensor(torch.nan), "loss", step, [])
    with pytest.raises(NotFiniteError, match="at step 5"):
        check.add(torch.tensor(1.0), "loss", 7, [])


@pytest.mark.usefixtures("_queue")
def test_no_checkpoint_holds_a_weight_that_is_not_finite(tmp_path):
    parts = small()
    parts.module.loss = NotANumberFrom(parts.module.loss, first=2)
    checkpoint = Checkpoint("val/loss", every_n_minutes=1e-9)  # before each step
    checkpoint.dirpath = str(tmp_path)
    with pytest.raises(NotFiniteError, match=r"the loss is nan at step 1 on training pairs \["):
        trainer(tmp_path, [checkpoint], enable_checkpointing=True).fit(
            parts.module, datamodule=parts.data
        )
    stored = torch.load(tmp_path / "last.ckpt", weights_only=False)
    assert stored["global_step"] == 1
    assert all(bool(weight.isfinite().all()) for weight in stored["state_dict"].values())


@pytest.mark.usefixtures("_queue")
def test_validation_finds_it_at_its_end(tmp_path):
    parts = small()
    torch.nn.init.constant_(parts.module.model.decoder.output.weight, torch.inf)
    with pytest.raises(NotFiniteError, match=r"val loss is nan at step 0 on pairs \["):
        trainer(tmp_path).validate(parts.module, datamodule=parts.data, verbose=False)
