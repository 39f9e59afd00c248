import signal

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import Logger

from seq2seq_lab.errors import ConfigError, NotFiniteError, ResourceError, StoppedError
from seq2seq_lab.training import session
from seq2seq_lab.training.callback.bleu import Bleu
from seq2seq_lab.training.callback.progress import Progress
from support.small_runs import small, trainer, weights_hash


class Recorder(Logger):
    name = version = ""

    def __init__(self):
        super().__init__()
        self.calls = []

    def log_hyperparams(self, *args, **kwargs):
        pass

    def log_metrics(self, metrics, step=None):
        pass

    def open(self, run_dir, config):
        self.calls.append("open")

    def close(self, status):
        self.calls.append(status)

    def log_summary(self, numbers):
        self.calls.append(numbers)


def test_callbacks_set_to_null_are_left_out(tmp_path):
    bleu = Bleu()
    assert session.callbacks([None, bleu, None], tmp_path) == [bleu]
    parts = session.trainer_parts([None, bleu], tmp_path)
    assert parts["callbacks"] == [bleu]
    assert not parts["enable_progress_bar"]
    assert session.trainer_parts([bleu, Progress()], tmp_path)["enable_progress_bar"]


def test_checkpoints_go_to_the_run_folder(tmp_path):
    (callback,) = session.callbacks([ModelCheckpoint(filename="best")], tmp_path)
    assert callback.dirpath == str(tmp_path / "checkpoints")


def test_loggers_are_opened_and_closed(tmp_path):
    recorder = Recorder()
    with session.loggers([recorder], {}, tmp_path) as every:
        assert len(every) == 2
    assert recorder.calls == ["open", "success"]


def test_loggers_of_a_failed_run_are_closed_as_failed(tmp_path):
    recorder = Recorder()
    with pytest.raises(ZeroDivisionError), session.loggers([recorder], {}, tmp_path):
        1 / 0  # noqa: B018
    assert recorder.calls == ["open", "failed"]


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, "killed"), (signal.SIGTERM, "preempted"), (signal.SIGUSR1, "preempted")],
)
def test_loggers_learn_which_signal_stopped_the_run(tmp_path, number, status):
    recorder = Recorder()
    with pytest.raises(StoppedError), session.loggers([recorder], {}, tmp_path):
        raise StoppedError("stopped", number)
    assert recorder.calls == ["open", status]


def test_a_run_that_stops_on_nan_alerts_before_it_is_closed(tmp_path):
    class Alerting(Recorder):
        def alert(self, title, text):
            self.calls.append((title, text))

    recorder = Alerting()
    with pytest.raises(NotFiniteError), session.loggers([recorder, Recorder()], {}, tmp_path):
        raise NotFiniteError("loss is nan")
    assert recorder.calls == ["open", ("not finite", "loss is nan"), "failed"]


def test_several_loggers_work_at_once(tmp_path):
    first, second = Recorder(), Recorder()
    with session.loggers([first, None, second], {}, tmp_path) as every:
        assert every[1:] == [first, second]
    assert first.calls == second.calls == ["open", "success"]


def test_csv_is_always_there(tmp_path):
    with session.loggers([None], {}, tmp_path) as every:
        assert [type(logger).__name__ for logger in every] == ["CsvMetrics"]


def test_the_final_numbers_go_to_the_file_and_the_loggers(tmp_path):
    recorder = Recorder()
    session.record(tmp_path, {"test/bleu": 1.5}, [recorder])
    assert recorder.calls == [{"test/bleu": 1.5}]
    assert '"test/bleu": 1.5' in (tmp_path / "result.json").read_text()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried"),
        RuntimeError("can't allocate memory: x"),
    ],
)
def test_out_of_memory_names_lengths_and_the_key_to_lower(tmp_path, error):
    def fail(*args, **kwargs):
        raise error

    parts, engine = small(), trainer(tmp_path)
    engine.fit = fail
    with pytest.raises(
        ResourceError, match=r"longest pair: \d+ source and \d+ target.*data\.batching"
    ) as caught:
        session.fit(engine, parts.module, parts.data)
    longest = int(parts.data.encoded["train"].source_lengths.max())
    assert f"{longest} source" in str(caught.value)


def test_another_error_stays_what_it_is(tmp_path):
    def fail(*args, **kwargs):
        raise RuntimeError("a bug")

    parts, engine = small(), trainer(tmp_path)
    engine.fit = fail
    with pytest.raises(RuntimeError, match=r"^a bug$"):
        session.fit(engine, parts.module, parts.data)


def test_the_seed_fixes_every_generator():
    session.start(5)
    one = torch.rand(1)
    session.start(5)
    assert torch.equal(torch.rand(1), one)


# the best checkpoint is the one tested


class Scripted(pl.Callback):
    """Makes the second of four epochs the best one."""

    def __init__(self):
        self.values, self.hashes = iter([1.0, 9.0, 2.0, 3.0]), []

    def on_validation_epoch_end(self, trainer, pl_module):
        if trainer.state.fn == "fit":
            self.hashes.append(weights_hash(pl_module))
            pl_module.log("val/scripted", next(self.values))


def the_best_checkpoint_is_tested(tmp_path):
    parts, scripted = small("training.optimizer.lr=0.05"), Scripted()
    best = ModelCheckpoint(
        monitor="val/scripted",
        mode="max",
        filename="best",
        save_last=True,
        enable_version_counter=False,
    )
    chosen = session.callbacks([scripted, Bleu(), best], tmp_path)
    io = session.checkpoint_io(parts.run, parts.data)
    settings = {"callbacks": chosen, "plugins": [io], "enable_checkpointing": True, "max_epochs": 4}
    engine = trainer(tmp_path, **settings)
    session.fit(engine, parts.module, parts.data)
    numbers = session.evaluate_best(engine, parts.module, parts.data)
    assert len(set(scripted.hashes)) == 4
    assert weights_hash(parts.module) == scripted.hashes[1]
    return numbers, parts


def test_the_best_checkpoint_is_tested(tmp_path):
    the_best_checkpoint_is_tested(tmp_path)


def test_planted_last_weights_are_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(session.Seq2SeqModule, "load_state_dict", lambda *_, **__: None)
    with pytest.raises(AssertionError):
        the_best_checkpoint_is_tested(tmp_path)


def test_final_numbers_are_those_of_the_tested_weights(tmp_path):
    numbers, parts = the_best_checkpoint_is_tested(tmp_path)
    (again,) = trainer(tmp_path).test(parts.module, datamodule=parts.data, verbose=False)
    assert numbers["test/loss"] == again["test/loss"]
    assert numbers["train/epochs"] == 4
    assert numbers["train/steps"] == 24
    assert numbers["model/parameters"] == sum(p.numel() for p in parts.module.model.parameters())


@pytest.mark.parametrize(
    "width",
    [
        "model.decoder.bridge.dim=3",
        "model.decoder.attention.query_dim=3",
    ],
)
def test_parts_of_other_widths_are_a_mistake_of_the_config(width):
    with pytest.raises(ConfigError, match=r"its parts do not fit together .*alias keys"):
        small("model/bridge=learned", width)
