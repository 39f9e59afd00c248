import shutil

import pytest
import torch
from pytorch_lightning.strategies import Strategy

from seq2seq_lab.training import resume
from seq2seq_lab.training.callback.early_stopping import EarlyStopping
from seq2seq_lab.training.logger.csv_metrics import CsvMetrics
from seq2seq_lab.training.module import Seq2SeqModule
from support.resume_equality import (
    Kill,
    SavesAt,
    killed_and_resumed,
    left_alone,
    outcome,
    session_of_run,
    the_same,
)

KILLS = {
    "mid epoch 1": [Kill("on_train_batch_end", 3)],
    "mid epoch 2, saved at its start": [Kill("on_train_batch_start", 6)],
    "mid epoch 3": [Kill("on_train_batch_start", 11)],
    "last batch": [Kill("on_train_batch_end", 8)],
    "in validation": [Kill("on_validation_batch_start", 8)],
    "epoch end": [Kill("on_train_epoch_end", 4)],
    "before anything is saved": [Kill("on_train_batch_end", 1)],
}
THRICE = [
    Kill("on_train_batch_end", 3),
    Kill("on_validation_batch_start", 8),
    Kill("on_train_batch_start", 11),
]
"""Mid epoch 1, inside a validation, mid epoch 3: a resumed run is killed and resumed again."""
SEQUENTIAL, PARALLEL = (
    "training/scheduled_sampling=sequential",
    "training/scheduled_sampling=parallel",
)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The outcome of an undisturbed run, made once for each choice."""
    made = {}

    def get(*overrides, **settings):
        key = (overrides, tuple(settings.items()))
        if key not in made:
            made[key] = left_alone(tmp_path_factory.mktemp("alone"), *overrides, **settings)
        return made[key]

    return get


@pytest.mark.parametrize(
    "parts",
    [
        (SEQUENTIAL, "training/lr_schedule=linear"),
        (PARALLEL, "training/lr_schedule=plateau"),
        (SEQUENTIAL, "training/lr_schedule=one_cycle"),
    ],
)
def test_a_run_killed_thrice_ends_as_if_left_alone(tmp_path, alone, parts):
    the_same(killed_and_resumed(tmp_path, THRICE, *parts), alone(*parts))


@pytest.mark.slow
@pytest.mark.parametrize("kills", KILLS.values(), ids=KILLS)
def test_a_killed_run_ends_as_if_left_alone(tmp_path, alone, kills):
    the_same(killed_and_resumed(tmp_path, kills, SEQUENTIAL), alone(SEQUENTIAL))


@pytest.mark.slow
def test_more_epochs_go_on_from_the_end(tmp_path, alone):
    constant = "training/lr_schedule=constant"
    first = session_of_run(tmp_path, constant, max_epochs=2)
    later = session_of_run(tmp_path, constant, resume=True, max_epochs=3)
    the_same(outcome(tmp_path, first | later), alone(constant, max_epochs=3))


SETTINGS = {
    "accumulation": ([], {"accumulate_grad_batches": 3}),
    "many validations": ([], {"val_check_interval": 2}),
    "few validations": ([], {"check_val_every_n_epoch": 2}),
    "steps as the limit": ([], {"max_steps": 11, "max_epochs": -1}),
    "part of the batches": ([], {"limit_train_batches": 2}),
    "workers": (["data.num_workers=2"], {}),
    "inverse square root": (["training/lr_schedule=inverse_sqrt"], {}),
    "one cycle": (["training/lr_schedule=one_cycle"], {}),
    "plateau": (["training/lr_schedule=plateau"], {"check_val_every_n_epoch": 2}),
    "gumbel": (["training/scheduled_sampling/sampled_token=gumbel"], {}),
    "parallel": ([PARALLEL], {}),
    "transformer": (["model=transformer", "model.num_heads=2"], {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("kills", KILLS.values(), ids=KILLS)
@pytest.mark.parametrize("name", SETTINGS)
def test_resuming_is_exact_under_every_setting(tmp_path, alone, name, kills):
    overrides, settings = SETTINGS[name]
    reached = alone(*overrides, **settings)["last"]["global_step"]
    kills = [kill for kill in kills if kill.step < reached]
    the_same(
        killed_and_resumed(tmp_path, kills, *overrides, **settings), alone(*overrides, **settings)
    )


# one killed run, resumed in copies of its folder


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A run of two epochs that was killed in its last batch, and the pairs that it saw."""
    folder = tmp_path_factory.mktemp("killed")
    kill = Kill("on_train_batch_end", 8)
    return folder, session_of_run(folder, SEQUENTIAL, kill=kill, max_epochs=2)


def resumed_in_a_copy(killed, tmp_path):
    folder, seen = killed
    shutil.copytree(folder, tmp_path / "copy")
    later = session_of_run(tmp_path / "copy", SEQUENTIAL, resume=True, max_epochs=2)
    return outcome(tmp_path / "copy", {**seen, **later})


def test_a_run_goes_on_in_a_copy_of_its_folder(killed, tmp_path, alone):
    before = sorted(path.stat().st_mtime_ns for path in killed[0].rglob("*"))
    the_same(resumed_in_a_copy(killed, tmp_path), alone(SEQUENTIAL, max_epochs=2))
    assert before == sorted(path.stat().st_mtime_ns for path in killed[0].rglob("*"))


def _without(name):
    """Restore everything but one part of what changes from batch to batch."""
    whole = Seq2SeqModule.restore_progress

    def restore(self, progress):
        now = {"sampling_generator": self.sampling_generator.get_state(), "sums": {}}
        whole(self, {**progress, name: now[name]})

    return restore


BUGS = {
    "no RNG restore": (torch, "set_rng_state", lambda state: None),
    "no sampler restore": (resume, "position", lambda loop: (0, 0)),
    "the loader's epoch alone restored": (resume, "position", lambda loop: (1, 0)),
    "Adam moments lost": (Strategy, "load_optimizer_state_dict", lambda self, checkpoint: None),
    "best score forgotten": (SavesAt, "load_state_dict", lambda self, state: None),
    "early stopping forgotten": (EarlyStopping, "load_state_dict", lambda self, state: None),
    "sampling generator not restored": (
        Seq2SeqModule,
        "restore_progress",
        _without("sampling_generator"),
    ),
    "sums of the epoch lost": (Seq2SeqModule, "restore_progress", _without("sums")),
    "rows written twice": (CsvMetrics, "cut", lambda self, num_rows: None),
}


@pytest.mark.parametrize("bug", BUGS)
def test_planted_loss_of_state_is_caught(killed, tmp_path, alone, monkeypatch, bug):
    whole = alone(SEQUENTIAL, max_epochs=2)
    monkeypatch.setattr(*BUGS[bug])
    with pytest.raises(AssertionError):
        the_same(resumed_in_a_copy(killed, tmp_path), whole)
