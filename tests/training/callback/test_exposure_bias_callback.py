import json

import pytest

from seq2seq_lab.training.callback.exposure_bias import ExposureBias
from support.small_runs import small, trainer


def measured(folder, callback, *overrides):
    parts = small(*overrides)
    engine = trainer(folder, callbacks=[callback], max_epochs=2)
    engine.fit(parts.module, datamodule=parts.data)
    engine.test(parts.module, datamodule=parts.data, verbose=False)
    return engine


def test_the_curves_are_written_and_logged(tmp_path):
    callback = ExposureBias(num_pairs=7, ratios=(0.0, 0.5, 1.0))
    measured(tmp_path, callback)
    stored = json.loads((tmp_path / "exposure_bias" / "test.json").read_text())
    assert list(stored["loss"]) == ["1", "0.5", "0"]
    assert stored["pairs_at_position"][0] == 7
    assert (tmp_path / "exposure_bias" / "val.png").exists()
    numbers = callback.numbers
    gap = numbers["test/loss_at_ratio_0"] - numbers["test/loss_at_ratio_1"]
    assert numbers["test/exposure_bias"] == pytest.approx(gap)
    recovery = json.loads((tmp_path / "exposure_bias" / "corruption.json").read_text())
    assert recovery["pairs"][0] == 7
    assert recovery["rise"][0] == numbers["test/loss_rise_at_corruption"]
    assert all(low <= high for low, high in recovery["interval"])
    assert not any("corruption" in name for name in numbers if name.startswith("val/"))


def test_validations_can_be_left_out(tmp_path):
    measured(tmp_path, ExposureBias(every_n_epochs=0))
    assert sorted(p.name for p in (tmp_path / "exposure_bias").iterdir()) == [
        "corruption.json",
        "corruption.png",
        "test.json",
        "test.png",
    ]


def test_the_ratio_of_the_schedule_is_logged(tmp_path):
    overrides = (
        "training/scheduled_sampling/schedule=linear",
        "training.scheduled_sampling.schedule.duration=1000000",
    )
    parts = small(*overrides)
    engine = trainer(tmp_path, callbacks=[ExposureBias()], max_epochs=1)
    engine.fit(parts.module, datamodule=parts.data)
    ratio = float(engine.callback_metrics["train/teacher_forcing_ratio"])
    assert ratio == pytest.approx(1.0 - engine.global_step / 1_000_000)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_pairs": 0}, "num_pairs=0: must be >= 1"),
        ({"every_n_epochs": -1}, "every_n_epochs=-1: must be >= 0"),
        ({"ratios": (0.5, 0.0)}, "hold both ends"),
        ({"ratios": (1.0, 0.0, 1.5)}, r"must be in \[0, 1\]"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ExposureBias(**settings)
