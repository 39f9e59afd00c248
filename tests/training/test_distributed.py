"""O15: several processes (gloo) train and score as one does."""

import csv
import os
import signal
from dataclasses import dataclass

import pytest
import torch
from torch.multiprocessing import ProcessExitedException

from seq2seq_lab.data import batching
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.training import resume, session
from seq2seq_lab.training.callback.bleu import Bleu
from seq2seq_lab.training.checkpoint_io import AtomicCheckpointIO
from seq2seq_lab.training.logger.csv_metrics import CsvMetrics
from seq2seq_lab.training.module import Seq2SeqModule
from support.resume_equality import Kill, left_alone, outcome, session_of_run, the_same
from support.small_runs import small, trainer

SMALL = ("data.corpus.num_train=24", "data.max_length=5", "model.dropout=0.0")


def slow(value: int):
    return pytest.param(value, marks=pytest.mark.slow)


def shared_out(processes: int) -> dict:
    several = {"strategy": "ddp_fork", "devices": processes}
    return several if processes > 1 else {}


@dataclass
class Trained:
    """What ten steps of four batches or fewer each leave, in double precision."""

    weights: dict[str, torch.Tensor]
    rows: list[dict[str, float]]


def trained(tmp_path, processes: int, accumulate: int = 1) -> Trained:
    folder = tmp_path / f"{processes}_{accumulate}"
    folder.mkdir()
    parts = small(*SMALL, "training.optimizer.lr=0.01")
    parts.module.double()  # here too: what a fork returns is loaded into it
    engine = trainer(
        folder,
        logger=CsvMetrics(folder),
        log_every_n_steps=1,
        precision="64-true",
        max_epochs=6,
        max_steps=10,
        gradient_clip_val=0.5,
        accumulate_grad_batches=accumulate,
        limit_val_batches=0,
        **shared_out(processes),
    )
    session.fit(engine, parts.module, parts.data)
    assert processes > 1 or engine.global_step == 10  # a fork's trainer does not come back
    weights = {name: value.clone() for name, value in parts.module.state_dict().items()}
    with (folder / "metrics.csv").open(newline="") as file:
        rows = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]
    return Trained(weights, rows)


def processes_train_like_one(tmp_path, processes: int) -> None:
    one = trained(tmp_path, 1, accumulate=processes)
    several = trained(tmp_path, processes)
    torch.testing.assert_close(several.weights, one.weights, rtol=1e-10, atol=1e-10)
    assert sum("train/loss" in row for row in one.rows) == 10
    assert several.rows == [pytest.approx(row, rel=1e-7) for row in one.rows]  # logs have 32 bits


def test_two_processes_train_like_one_with_the_same_global_batch(tmp_path):
    processes_train_like_one(tmp_path, 2)


@pytest.mark.slow
def test_three_processes_train_like_one_with_the_same_global_batch(tmp_path):
    processes_train_like_one(tmp_path, 3)


@pytest.mark.slow
def test_planted_mean_of_the_processes_means_is_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(
        Seq2SeqModule, "_batches_in_step", lambda self: self.trainer.accumulate_grad_batches
    )
    with pytest.raises(AssertionError):
        processes_train_like_one(tmp_path, 2)


def scored(tmp_path, pairs: int, processes: int) -> dict[str, float]:
    parts = small(f"data.corpus.num_val={pairs}", "data.batching.batch_size=2", "model.dropout=0.3")
    engine = trainer(tmp_path, callbacks=[Bleu()], **shared_out(processes))
    (numbers,) = engine.validate(parts.module, datamodule=parts.data, verbose=False)
    assert {"val/loss", "val/bleu", "val/perplexity"} <= set(numbers)
    return numbers


def score_is_the_same(tmp_path, pairs: int, processes: int) -> None:
    assert scored(tmp_path, pairs, processes) == scored(tmp_path, pairs, 1)


def test_a_process_without_pairs_changes_no_score(tmp_path):
    score_is_the_same(tmp_path, pairs=3, processes=3)


@pytest.mark.slow
def test_planted_padded_batches_that_count_are_caught(tmp_path, monkeypatch):
    def padded(*arguments):
        batches = original(*arguments)
        return [*batches, *batches[: -len(batches) % 3]]

    original = batching.evaluation_batches
    one = scored(tmp_path, 3, 1)
    monkeypatch.setattr(batching, "evaluation_batches", padded)
    assert scored(tmp_path, 3, 3)["val/loss"] != one["val/loss"]


@pytest.mark.parametrize("processes", [2, slow(3)])
@pytest.mark.parametrize("pairs", [slow(1), slow(2), slow(3), 7, slow(29)])
def test_loss_and_bleu_do_not_depend_on_the_number_of_processes(tmp_path, pairs, processes):
    score_is_the_same(tmp_path, pairs, processes)


# resuming


class KillForGood(Kill):
    """Kill -9 of the second process."""

    def _strike(self, trainer, *_):
        if trainer.global_step == self.step and trainer.global_rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)


class ForkedIO(AtomicCheckpointIO):
    """Takes also the weights alone, which Lightning sends back from a fork by a file."""

    def save_checkpoint(self, checkpoint, path, storage_options=None):
        super().save_checkpoint({"global_step": 0, "epoch": 0, **checkpoint}, path)


@pytest.fixture
def forks(monkeypatch):
    monkeypatch.setattr(session, "AtomicCheckpointIO", ForkedIO)


def two_processes_go_on_where_they_were(folder) -> None:
    """A kill mid epoch 2; the processes draw unlike numbers of random numbers, for their batches differ in shape."""
    settings = {**shared_out(2), "max_epochs": 2}
    pairs = ("data.corpus.num_train=24", "data.max_length=9")
    alone = left_alone(folder / "alone", *pairs, **settings)
    kill = KillForGood("on_train_batch_start", 5)
    with pytest.raises(ProcessExitedException, match="SIGKILL"):
        session_of_run(folder / "killed", *pairs, kill=kill, **settings)
    session_of_run(folder / "killed", *pairs, resume=True, **settings)
    the_same(alone, outcome(folder / "killed", {}))


def test_two_processes_go_on_where_they_were(tmp_path, forks):
    two_processes_go_on_where_they_were(tmp_path)


@pytest.mark.slow
def test_planted_state_of_the_first_process_for_all_is_caught(tmp_path, forks, monkeypatch):
    gather = resume._gathered
    monkeypatch.setattr(resume, "_gathered", lambda *a: gather(*a)[:1] * 2)
    with pytest.raises(AssertionError):
        two_processes_go_on_where_they_were(tmp_path)


def test_another_number_of_processes_is_refused(tmp_path, forks):
    pairs, settings = ("data.corpus.num_train=24",), {"max_epochs": 1}
    session_of_run(tmp_path, *pairs, **settings, **shared_out(2))
    with pytest.raises(ConfigError, match="the run had 2 processes, this one has 1; give it as"):
        session_of_run(tmp_path, *pairs, resume=True, **settings)
