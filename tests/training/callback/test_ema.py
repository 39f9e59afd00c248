"""The moving average of the weights: its formula, what sees it, and resuming."""

import csv

import pytest
import torch

from seq2seq_lab.inference.checkpoint_file import read_checkpoint
from seq2seq_lab.training import session
from seq2seq_lab.training.callback.checkpoint import Checkpoint
from seq2seq_lab.training.callback.ema import Ema
from seq2seq_lab.training.logger.csv_metrics import CsvMetrics
from seq2seq_lab.training.resume import ResumeState
from support.resume_equality import LIVELY, SHORT, the_same
from support.small_runs import small, trainer

DECAY = 0.5


class Noted(session.pl.Callback):
    """Notes the weights after each optimizer step, and those that a validation's callbacks see."""

    def __init__(self):
        self.steps, self.validated, self.losses = [], [], []

    def on_train_batch_end(self, trainer, pl_module, *_):
        self.steps.append(weights(pl_module))

    def on_validation_epoch_end(self, trainer, pl_module):
        if trainer.state.fn == "fit":
            self.validated.append(weights(pl_module))


def weights(module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.model.parameters()]).clone()


def stored(state: dict, module) -> torch.Tensor:
    names = [f"model.{name}" for name, _ in module.model.named_parameters()]
    return torch.cat([state[name].flatten() for name in names])


def averages(steps, start=0, every=1):
    average, found = None, []
    for i, now in enumerate(steps):
        if i >= start and i % every == 0:
            average = now if average is None else DECAY * average + (1 - DECAY) * now
        found.append(now if average is None else average)
    return found


def run(folder, *, resume=None, epochs=2, ema=None, **settings):
    """Train four steps an epoch with the average first among the callbacks; return trainer, parts and notes."""
    folder.mkdir(exist_ok=True)
    parts, noted = small(*SHORT, *LIVELY), Noted()
    chosen = [ema or Ema(DECAY), noted, Checkpoint(monitor="val/loss"), ResumeState()]
    engine = trainer(
        folder,
        callbacks=session.callbacks(chosen, folder),
        plugins=[session.checkpoint_io({**parts.run, "resume": None}, parts.data)],
        logger=CsvMetrics(folder),
        enable_checkpointing=True,
        max_epochs=epochs,
        **settings,
    )
    session.fit(engine, parts.module, parts.data, resume)
    return engine, parts, noted


@pytest.fixture(scope="module")
def two_epochs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ema")
    return folder, *run(folder)


def test_validation_and_its_callbacks_see_the_average_of_all_steps(two_epochs):
    _, _, _, noted = two_epochs
    expected = averages(noted.steps)
    assert len(noted.steps) == 8
    for seen, step in zip(noted.validated, (3, 7), strict=True):
        torch.testing.assert_close(seen, expected[step], rtol=1e-5, atol=1e-7)
        assert not torch.equal(seen, noted.steps[step])


def test_checkpoints_hold_the_average_and_the_weights_beside_it(two_epochs):
    folder, _, parts, noted = two_epochs
    state = read_checkpoint(folder / "checkpoints" / "last.ckpt")
    torch.testing.assert_close(stored(state["state_dict"], parts.module), noted.validated[-1])
    assert torch.equal(stored(state["current_model_state"], parts.module), noted.steps[-1])


def test_the_final_numbers_are_those_of_the_best_average(two_epochs):
    folder, engine, parts, _ = two_epochs
    numbers = session.evaluate_best(engine, parts.module, parts.data)
    with (folder / "metrics.csv").open() as file:
        losses = [float(row["val/loss"]) for row in csv.DictReader(file) if row["val/loss"]]
    assert numbers["val/loss"] == pytest.approx(min(losses), rel=1e-6)


def test_without_a_checkpoint_the_last_average_is_left_in_the_model(tmp_path):
    parts, noted = small(*SHORT), Noted()
    engine = trainer(tmp_path, callbacks=[Ema(DECAY), noted], max_epochs=1)
    session.fit(engine, parts.module, parts.data)
    torch.testing.assert_close(weights(parts.module), averages(noted.steps)[-1])


def test_a_run_that_goes_on_ends_as_if_it_had_never_stopped(tmp_path, two_epochs):
    run(tmp_path / "parts", epochs=1)
    run(tmp_path / "parts", epochs=2, resume=tmp_path / "parts" / "checkpoints" / "last.ckpt")
    for name in ("last", "best"):
        one, other = (
            read_checkpoint(folder / "checkpoints" / f"{name}.ckpt")
            for folder in (tmp_path / "parts", two_epochs[0])
        )
        for part in ("state_dict", "current_model_state", "averaging_state", "optimizer_states"):
            the_same(one[part], other[part], f"{name}.{part}")


def test_the_average_begins_late_and_takes_every_second_step(tmp_path):
    _, _, noted = run(tmp_path, ema=Ema(DECAY, every_n_steps=2, start_step=4))
    expected = averages(noted.steps, start=4, every=2)
    assert torch.equal(noted.validated[0], noted.steps[3])
    torch.testing.assert_close(noted.validated[1], expected[7], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "settings", [{"decay": 1.0}, {"decay": -0.1}, {"every_n_steps": 0}, {"start_step": -1}]
)
def test_a_setting_out_of_range_is_refused_by_name(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        Ema(**settings)
