"""Damaged checkpoints, failed saves and numbers that are not finite: what is good stays, and is found."""

import errno
import os
import pickle
import resource
import signal
from pathlib import Path

import pytest
import torch

from seq2seq_lab.errors import CheckpointError, ConfigError, NotFiniteError, ResourceError
from seq2seq_lab.files import locked, sidecar_of
from seq2seq_lab.inference.checkpoint_file import newest_whole, read_checkpoint
from seq2seq_lab.training.callback.checkpoint import refuse_not_finite
from seq2seq_lab.training.checkpoint_io import AtomicCheckpointIO
from seq2seq_lab.training.resume import differences, resume_point
from support.small_runs import train

CONTENTS = {
    "config": {"resume": "auto", "model": {"dim": 8}, "run_dir": "a"},
    "data": {"train": "hash"},
    "source_tokenizer": "{}",
    "target_tokenizer": "{}",
}


def state(step):
    weights = torch.full((5000,), float(step))
    training = dict.fromkeys(("optimizer_states", "lr_schedulers", "loops", "callbacks", "resume"))
    return {"state_dict": {"model.w": weights}, "global_step": step, "epoch": 0, **training}


@pytest.fixture
def run(tmp_path):
    """A run folder with three checkpoints; last.ckpt is the newest, best.ckpt the next."""
    for name, step in (("step_3", 3), ("last", 9), ("best", 6)):
        AtomicCheckpointIO(CONTENTS).save_checkpoint(
            state(step), tmp_path / "checkpoints" / f"{name}.ckpt"
        )
    return tmp_path


def flip(path):
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 4
    path.write_bytes(whole)


DAMAGE = {
    "flipped bit": flip,
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "empty": lambda path: path.write_bytes(b""),
    "another file": lambda path: path.write_bytes(pickle.dumps({"x": 1})),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_passed_over_unopened(run, monkeypatch, capsys, damage):
    DAMAGE[damage](run / "checkpoints" / "last.ckpt")
    load, opened = torch.load, []
    monkeypatch.setattr(torch, "load", lambda p, **how: opened.append(p.name) or load(p, **how))
    assert resume_point(run, AtomicCheckpointIO(CONTENTS)).name == "best.ckpt"
    assert set(opened) == {"best.ckpt"}
    assert "skipped: " in capsys.readouterr().err


def test_a_damaged_checkpoint_that_was_asked_for_is_refused_naming_the_newest_good_one(run):
    last, best = (run / "checkpoints" / f"{name}.ckpt" for name in ("last", "best"))
    flip(last)
    config = {**CONTENTS["config"], "resume": str(last)}
    with pytest.raises(CheckpointError, match=f"SHA-256.*resume={best}$"):
        resume_point(run, AtomicCheckpointIO({**CONTENTS, "config": config}))


def test_a_folder_without_a_whole_checkpoint_is_refused_and_an_empty_one_begins(run, tmp_path):
    for path in (run / "checkpoints").glob("*.ckpt"):
        flip(path)
    with pytest.raises(CheckpointError, match="no checkpoint is whole"):
        resume_point(run, AtomicCheckpointIO(CONTENTS))
    assert resume_point(tmp_path / "empty", AtomicCheckpointIO(CONTENTS)) is None


@pytest.mark.parametrize("name", ["step_3", "last"])
def test_a_file_that_was_renamed_but_not_yet_summed_keeps_its_place(run, name):
    sidecar_of(run / "checkpoints" / f"{name}.ckpt").unlink()
    assert newest_whole(run / "checkpoints")[0].name == "last.ckpt"


@pytest.mark.parametrize("part", ["data", "source_tokenizer"])
def test_other_data_are_refused(run, part):
    with pytest.raises(CheckpointError, match="is not that of now"):
        resume_point(run, AtomicCheckpointIO({**CONTENTS, part: "other"}))


def test_differing_keys_are_named_and_free_ones_are_not():
    def config(**keys):
        return {"seed": 1, "training": {"trainer": {"max_epochs": 3}, "logger": None}, **keys}

    longer = {"trainer": {"max_epochs": 5}, "lr_schedule": {"total_epochs": 5}}
    shorter = {"trainer": {"max_epochs": 3}, "lr_schedule": {"total_epochs": 3}}
    online = {**longer, "logger": {"mode": "online"}}
    other = config(resume="auto", run_dir="b", training=online)
    assert differences(config(training=shorter), other) == []
    apart = {"trainer": {"max_epochs": 3}, "lr_schedule": {"total_epochs": 9}}
    told = ["training.lr_schedule.total_epochs: 3 -> 9"]
    assert differences(config(training=shorter), config(training=apart)) == told
    assert differences(config(), config(seed=2)) == ["seed: 1 -> 2"]


# saving


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def broken_disk(*_):
    raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize(
    ("place", "fault", "words"),
    [
        ("pathlib.Path.write_bytes", full, r"No space left.*[\d,]+ bytes needed, [\d,]+ bytes free"),
        ("os.fsync", broken_disk, "Input/output error"),
        ("tempfile.mkstemp", lambda *_, **__: os.open("/proc/no", os.O_WRONLY), "No such file"),
    ],
)  # fmt: skip
def test_a_failed_save_keeps_the_old_checkpoint_and_says_so(run, monkeypatch, place, fault, words):
    path = run / "checkpoints" / "last.ckpt"
    monkeypatch.setattr(place, fault)
    with pytest.raises(ResourceError, match=f"{words}.*the old file is unchanged"):
        AtomicCheckpointIO(CONTENTS).save_checkpoint(state(12), path)
    monkeypatch.undo()
    assert read_checkpoint(path)["global_step"] == 9
    assert sidecar_of(path).exists()
    assert not list(path.parent.glob(".*"))


def test_a_file_size_that_the_system_refuses_keeps_the_old_checkpoint(run):
    """A limit of the kernel's own: the write itself fails half-way."""
    path = run / "checkpoints" / "last.ckpt"
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.SIG_IGN
    handler = signal.signal(signal.SIGXFSZ, ignored)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        with pytest.raises(ResourceError, match="File too large"):
            AtomicCheckpointIO(CONTENTS).save_checkpoint(state(12), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert read_checkpoint(path)["global_step"] == 9


def dies_at_call(number, save):
    """Run `save` in a fork that ends without a word before, in the middle of or after its n-th call to the disk."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 77
    calls = iter(range(1000))

    def deadly(function):
        def call(*arguments, **named):
            if next(calls) == number:
                os._exit(77)
            return function(*arguments, **named)

        return call

    def write_half(path, content):
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
            file.flush()
            if next(calls) == number:
                os._exit(77)
            return file.write(content[len(content) // 2 :])

    Path.write_bytes = write_half
    for name in ("fsync", "replace", "unlink", "chmod", "truncate"):
        setattr(os, name, deadly(getattr(os, name)))
    save()
    os._exit(0)


def test_a_kill_at_any_moment_of_a_save_leaves_the_old_checkpoint_or_the_new_one(run):
    path, found = run / "checkpoints" / "last.ckpt", []
    while True:
        AtomicCheckpointIO(CONTENTS).save_checkpoint(state(9), path)
        if not dies_at_call(
            len(found), lambda: AtomicCheckpointIO(CONTENTS).save_checkpoint(state(12), path)
        ):
            break
        newest = newest_whole(path.parent)
        assert newest == (path, [])
        found.append(read_checkpoint(path)["global_step"])
    assert found == sorted(found)
    assert set(found) == {9, 12}
    assert len(found) >= 8


# not finite


def test_weights_that_are_not_finite_take_no_checkpoints_place():
    layer = torch.nn.Linear(3, 5)
    refuse_not_finite(layer, 7)
    layer.bias.data[2] = torch.inf
    with pytest.raises(NotFiniteError, match=r"after step 7; lower training\.optimizer\.lr"):
        refuse_not_finite(layer, 7)


def test_a_run_that_explodes_ends_with_4_and_leaves_finite_checkpoints(tmp_path, capsys):
    overrides = (
        "debug=tiny", "data=copy", "data.max_length=5", "data.corpus.num_train=16", "data.corpus.num_val=4",
        "data.corpus.num_test=4", "data.batching.batch_size=4", "training/logger=csv",
        "model=rnn", "model/cell=rnn_relu",
        "training/callback=[bleu,checkpoint]", "training.callback.checkpoint.every_n_minutes=0.0001",
        "training.optimizer.lr=1e12", "training.trainer.max_epochs=20",
    )  # fmt: skip
    assert train(*overrides, f"run_dir={tmp_path / 'run'}") == 4
    told = capsys.readouterr().err
    assert "training pairs [" in told
    assert "lower training.optimizer.lr" in told
    kept = sorted((tmp_path / "run" / "checkpoints").glob("*.ckpt"))
    assert kept
    for path in kept:
        weights = read_checkpoint(path)["state_dict"].values()
        assert all(bool(weight.isfinite().all()) for weight in weights)


# the lock


def test_a_lock_is_held_once_and_let_go(tmp_path):
    with (
        locked(tmp_path / ".lock", "wait"),
        pytest.raises(ConfigError, match=f"in use by process {os.getpid()} on "),
    ):
        locked(tmp_path / ".lock", "wait").__enter__()
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / ".lock", "wait"):
        pass


def test_a_lock_of_a_process_that_died_is_free(tmp_path):
    pid = os.fork()
    if pid == 0:
        with locked(tmp_path / ".lock", "wait"):
            os._exit(0)
    os.waitpid(pid, 0)
    assert (tmp_path / ".lock").exists()
    with locked(tmp_path / ".lock", "wait"):
        assert f"process {os.getpid()} " in (tmp_path / ".lock").read_text()
