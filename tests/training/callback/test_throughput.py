import pytest
import pytorch_lightning as pl
import torch

from seq2seq_lab.batch import Batch, mask_from_lengths
from seq2seq_lab.training.callback import throughput as module
from seq2seq_lab.training.callback.throughput import Throughput


class Clock:
    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def batch_of(*lengths):
    width = max(lengths)
    source = torch.ones(len(lengths), 3, dtype=torch.long)
    target = torch.ones(len(lengths), width, dtype=torch.long)
    sizes = torch.full((len(lengths),), 3)
    return Batch(
        source=source,
        source_lengths=sizes,
        source_mask=mask_from_lengths(sizes, 3),
        target_input=target,
        target_output=target,
        target_mask=mask_from_lengths(torch.tensor(lengths), width),
        ids=torch.arange(len(lengths)),
    )


class Module(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.logged = []

    def log(self, name, value, **_):
        self.logged.append((name, value))


class Trainer(pl.Trainer):
    """Only what the callback asks for."""

    global_step, log_every_n_steps = 0, 1

    def __init__(self):
        pass


class Run:
    """Calls the hooks as Lightning does, on a clock of its own."""

    def __init__(self, callback, clock, log_every=2):
        self.callback, self.clock, self.module = callback, clock, Module()
        self.trainer = Trainer()
        self.trainer.log_every_n_steps = log_every
        callback.on_train_epoch_start(self.trainer, self.module)

    def train(self, seconds, *lengths):
        self.callback.on_train_batch_start(self.trainer, self.module, None, 0)
        self.clock.now += seconds
        self.trainer.global_step += 1
        self.callback.on_train_batch_end(self.trainer, self.module, None, batch_of(*lengths), 0)

    def validate(self, seconds):
        self.callback.on_validation_start(self.trainer, self.module)
        self.clock.now += seconds

    def end(self):
        self.callback.on_train_epoch_end(self.trainer, self.module)
        return self.module.logged


def test_speed_of_an_epoch_is_tokens_by_seconds(clock):
    run = Run(Throughput(), clock, log_every=99)
    run.train(2.0, 5, 7)
    run.train(1.0, 3)
    assert run.end() == [("train/tokens_per_second", 5.0)]


def test_pads_are_not_counted(clock):
    run = Run(Throughput(), clock, log_every=99)
    run.train(1.0, 2, 11)
    assert run.end() == [("train/tokens_per_second", 13.0)]


def test_validation_time_is_left_out(clock):
    run = Run(Throughput(), clock, log_every=99)
    run.train(1.0, 10)
    run.validate(1000.0)
    run.train(1.0, 10)
    run.validate(1000.0)
    assert run.end() == [("train/tokens_per_second", 10.0)]


def test_counting_validation_time_would_be_noticed(clock, monkeypatch):
    monkeypatch.setattr(Throughput, "on_validation_start", lambda *_: None)
    with pytest.raises(AssertionError):
        test_validation_time_is_left_out(clock)


def test_waiting_for_data_counts(clock):
    run = Run(Throughput(), clock, log_every=99)
    run.train(1.0, 10)
    clock.now += 3.0
    run.train(1.0, 10)
    assert run.end() == [("train/tokens_per_second", 4.0)]


def test_a_logging_step_shows_the_last_batches_only(clock):
    run = Run(Throughput(window=2), clock, log_every=3)
    for seconds in (100.0, 1.0, 1.0):
        run.train(seconds, 7)
    assert run.module.logged == [("train/tokens_per_second", 7.0)]


def test_each_epoch_starts_anew(clock):
    run = Run(Throughput(), clock, log_every=99)
    run.train(10.0, 10)
    run.end()
    clock.now += 50
    run.callback.on_train_epoch_start(run.trainer, run.module)
    run.train(1.0, 10)
    assert run.end()[-1] == ("train/tokens_per_second", 10.0)


def test_an_epoch_without_batches_has_speed_zero():
    assert Throughput().epoch_speed == 0.0


def test_a_window_of_nothing_is_refused():
    with pytest.raises(ValueError, match="window=0"):
        Throughput(window=0)


def test_the_clock_stops_when_an_accelerator_is_done(clock, monkeypatch):
    def work_left(_device):
        clock.now += 3.0

    monkeypatch.setattr(module, "wait_for", work_left)
    monkeypatch.setattr(module, "has_queue", lambda _device: True)
    run = Run(Throughput(), clock)
    run.train(1.0, 4, 4)
    run.callback.on_validation_start(run.trainer, run.module)
    clock.now += 100.0
    run.callback.on_train_epoch_end(run.trainer, run.module)
    assert run.module.logged[-1] == ("train/tokens_per_second", 8 / 4.0)
