import pytest
import torch

from seq2seq_lab.training.lr_schedule import (
    Constant,
    InverseSqrt,
    Linear,
    Plateau,
    hold_then_decay,
    inverse_sqrt,
)


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)


def rates(schedule, steps: int, interval: str) -> list[float]:
    """Return the learning rate that each of the first steps (or epochs) uses."""
    own = optimizer()
    entry = schedule.attach(own)
    assert entry["interval"] == interval
    used = []
    for _ in range(steps):
        used.append(own.param_groups[0]["lr"])
        own.step()
        entry["scheduler"].step()
    return used


def test_constant_changes_nothing():
    assert Constant().attach(optimizer()) is None


def test_inverse_sqrt_rises_to_one_and_falls_with_the_root():
    found = [inverse_sqrt(step, warmup_steps=4) for step in (0, 1, 3, 15, 63)]
    assert found == [0.25, 0.5, 1.0, 0.5, 0.25]


def test_inverse_sqrt_scales_the_optimizers_rate():
    assert rates(InverseSqrt(warmup_steps=2), 3, "step") == pytest.approx(
        [1.0, 2.0, 2.0 * (2 / 3) ** 0.5]
    )


def test_linear_holds_and_falls_to_its_end_and_stays():
    found = [hold_then_decay(epoch, 10, 0.5, 0.2) for epoch in (0, 5, 6, 9, 10, 99)]
    assert found == pytest.approx([1.0, 1.0, 0.84, 0.36, 0.2, 0.2])


def test_linear_that_holds_throughout_never_falls():
    assert {hold_then_decay(epoch, 5, 1.0, 0.0) for epoch in (0, 4, 5, 99)} == {1.0}


def test_linear_scales_the_rate_once_per_epoch():
    assert rates(Linear(total_epochs=4, hold=0.0, final=0.0), 5, "epoch") == pytest.approx(
        [2.0, 1.5, 1.0, 0.5, 0.0]
    )


def test_plateau_halves_the_rate_when_bleu_no_longer_rises():
    own = optimizer()
    entry = Plateau(factor=0.5, patience=1).attach(own)
    used = []
    for bleu in (10.0, 20.0, 20.0, 19.0, 18.0):
        entry["scheduler"].step(bleu)
        used.append(own.param_groups[0]["lr"])
    assert used == [2.0, 2.0, 2.0, 1.0, 1.0]
    assert (entry["interval"], entry["monitor"]) == ("epoch", "val/bleu")


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (InverseSqrt, {"warmup_steps": 0}, "warmup_steps=0: must be >= 1"),
        (Linear, {"total_epochs": 0}, "total_epochs=0: must be >= 1"),
        (Linear, {"total_epochs": 5, "hold": 1.5}, "hold=1.5"),
        (Linear, {"total_epochs": 5, "final": 1.5}, "final=1.5"),
        (Plateau, {"factor": 1.0}, "factor=1.0"),
        (Plateau, {"patience": -1}, "patience=-1: must be >= 0"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(kind, settings, message):
    with pytest.raises(ValueError, match=message):
        kind(**settings)
