"""A loss or gradient that is not finite ends the run before it reaches the weights."""

import pytest
import torch

from seq2seq_lab.errors import NotFiniteError
from support.small_runs import small, trainer


class Poisoned(torch.nn.Module):
    """A loss whose value or gradient is not a number from the second batch on."""

    def __init__(self, inner, what):
        super().__init__()
        self.inner, self.what, self.calls = inner, what, 0

    def forward(self, logits, targets):
        self.calls += 1
        loss = self.inner(logits, targets)
        if self.calls == 1:
            return loss
        if self.what == "loss":
            return loss * torch.nan
        bad = (logits.sum() * 0.0).sqrt()  # 0, with a gradient of infinity times 0
        return loss + bad


@pytest.mark.parametrize(
    ("what", "named"), [("loss", "training pairs"), ("gradient", "gradient norm")]
)
def test_training_stops_before_a_step_that_is_not_finite(tmp_path, what, named):
    parts = small()
    parts.module.loss = Poisoned(parts.module.loss, what)
    with pytest.raises(NotFiniteError, match=named) as caught:
        trainer(tmp_path).fit(parts.module, datamodule=parts.data)
    assert parts.module.global_step == 1
    assert all(bool(p.isfinite().all()) for p in parts.module.parameters())
    assert "training.optimizer.lr" in str(caught.value)


def test_a_validation_loss_that_is_not_finite_ends_the_run(tmp_path):
    parts = small()
    torch.nn.init.constant_(parts.module.model.decoder.output.weight, torch.inf)
    with pytest.raises(NotFiniteError, match=r"val loss .* on pairs \["):
        trainer(tmp_path).validate(parts.module, datamodule=parts.data, verbose=False)
