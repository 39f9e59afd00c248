import math
from functools import partial

import pytest
import torch
from torch.optim import lr_scheduler

from seq2seq_lab.training import session
from seq2seq_lab.training.lr_schedule import (
    Constant,
    InverseSqrt,
    Linear,
    Noam,
    Plateau,
    TorchSchedule,
    hold_then_decay,
    inverse_sqrt,
    noam,
)
from support.small_runs import small, trainer


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)


def count_steps(epochs: int) -> int:
    return 5 * epochs


def rates(schedule, steps: int, interval: str) -> list[float]:
    """Return the learning rate that each of the first steps (or epochs) uses."""
    own = optimizer()
    entry = schedule.attach(own, count_steps)
    assert entry["interval"] == interval
    used = []
    for _ in range(steps):
        used.append(own.param_groups[0]["lr"])
        own.step()
        entry["scheduler"].step()
    return used


def test_constant_changes_nothing():
    assert Constant().attach(optimizer(), count_steps) is None


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
    entry = Plateau(factor=0.5, patience=1).attach(own, count_steps)
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
        (Noam, {"dim": 8, "warmup_steps": 0}, "warmup_steps=0: must be >= 1"),
        (Noam, {"dim": 0}, "dim=0: must be >= 1"),
        (Noam, {"dim": 8, "scale": 0.0}, "scale=0.0: must be > 0"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(kind, settings, message):
    with pytest.raises(ValueError, match=message):
        kind(**settings)


def test_noam_is_the_papers_formula():
    found = [noam(step, dim=16, warmup_steps=4) for step in (0, 3, 15)]
    assert found == pytest.approx([0.25 * 4**-1.5, 0.25 / 2, 0.25 / 4])


def test_noam_gives_the_rate_itself_whatever_the_optimizers_is():
    found = rates(Noam(dim=4, warmup_steps=1, scale=2.0), 2, "step")
    assert found == pytest.approx([1.0, 0.5**0.5])


COSINE = partial(lr_scheduler.CosineAnnealingLR)
STEP = partial(lr_scheduler.StepLR, step_size=2, gamma=0.5)


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({"interval": "epoch", "epochs": 4}, 4),
        ({"interval": "step", "epochs": 4}, 20),
        ({"interval": "step", "epochs": 4, "max_steps": 8}, 8),
        ({"interval": "step", "epochs": -1, "max_steps": 8}, 8),
    ],
)
def test_a_cosine_over_the_run_ends_at_its_last_interval(settings, count):
    schedule = TorchSchedule(COSINE, length="T_max", **settings)
    expected = [1 + math.cos(math.pi * i / count) for i in range(count + 1)]
    assert rates(schedule, count + 1, settings["interval"]) == pytest.approx(expected)


def test_one_cycle_takes_exactly_the_steps_of_the_run():
    cycle = partial(lr_scheduler.OneCycleLR, max_lr=2.0)
    schedule = TorchSchedule(cycle, interval="step", length="total_steps", epochs=2)
    used = rates(schedule, 10, "step")
    assert max(used) == pytest.approx(2.0)
    assert used[-1] == pytest.approx(2.0 / 25 / 1e4)


def test_a_schedule_without_a_length_runs_as_torch_has_it():
    assert rates(TorchSchedule(STEP), 5, "epoch") == [2.0, 2.0, 1.0, 1.0, 0.5]


def test_the_plateau_of_torch_takes_its_direction_from_the_metric():
    plateau = partial(lr_scheduler.ReduceLROnPlateau, patience=0)
    for monitor, mode in (("val/loss", "min"), ("val/bleu", "max")):
        entry = TorchSchedule(plateau, monitor=monitor).attach(optimizer(), count_steps)
        assert (entry["scheduler"].mode, entry["monitor"]) == (mode, monitor)


@pytest.mark.parametrize(
    ("scheduler", "settings", "message"),
    [
        (COSINE, {}, "CosineAnnealingLR: .*T_max"),
        (COSINE, {"length": "T_mx", "epochs": 3}, "CosineAnnealingLR: .*T_mx"),
        (COSINE, {"length": "T_max"}, "needs the length of the run; give training.trainer.max_epochs"),
        (COSINE, {"length": "T_max", "max_steps": 9}, "max_steps, with interval=step"),
        (STEP, {"monitor": "val/loss"}, "StepLR takes none"),
        (partial(lr_scheduler.ReduceLROnPlateau), {}, "ReduceLROnPlateau needs one"),
        (partial(lr_scheduler.ReduceLROnPlateau), {"monitor": "val/loss", "interval": "step"}, "use interval=epoch"),
        (partial(lr_scheduler.ReduceLROnPlateau, mode="max"), {"monitor": "val/loss"}, "less is better"),
        (partial(lr_scheduler.OneCycleLR, max_lr=1.0, total_steps=0), {"interval": "step"}, "positive integer"),
        (partial(torch.optim.Adam, lr=1.0), {}, "must be a class of torch.optim.lr_scheduler"),
        (lr_scheduler.StepLR, {}, "with _partial_: true"),
    ],
)  # fmt: skip
def test_a_schedule_of_torch_that_cannot_work_is_refused_when_it_is_made(
    scheduler, settings, message
):
    with pytest.raises(ValueError, match=message):
        TorchSchedule(scheduler, **settings)


@pytest.mark.parametrize(
    "settings",
    [{}, {"accumulate_grad_batches": 3}, {"limit_train_batches": 3}, {"limit_train_batches": 0.5}],
)
def test_the_steps_of_a_run_are_counted_as_training_makes_them(tmp_path, settings):
    parts = small("training/lr_schedule=constant")
    engine = trainer(tmp_path, max_epochs=2, limit_val_batches=0, **settings)
    session.fit(engine, parts.module, parts.data)
    assert parts.module._count_steps(2) == engine.global_step
