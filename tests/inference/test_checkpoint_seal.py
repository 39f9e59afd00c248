"""The seal: a checkpoint proves itself without a second file."""

import io
import json
import pickle
import random
import zipfile
from pathlib import Path

import pytest
import torch

from seq2seq_lab.errors import CheckpointError, UnsafeError
from seq2seq_lab.files import sidecar_of
from seq2seq_lab.inference import checkpoint_file, checkpoint_seal
from seq2seq_lab.inference.checkpoint_file import (
    newest_whole,
    read_checkpoint,
    repair_sidecars,
    step_of,
    verify_checkpoint,
)
from seq2seq_lab.inference.checkpoint_seal import check_seal, read_seal
from seq2seq_lab.training.checkpoint_io import AtomicCheckpointIO

CONTENTS = {"config": {"model": {"dim": 8}}, "source_tokenizer": "{}"}


def stored(path: Path, step: int = 7) -> Path:
    """A checkpoint without a checksum file."""
    weights = {"model.w": torch.arange(40.0) + step, "model.v": torch.arange(11)}
    state = {"state_dict": weights, "global_step": step, "epoch": 2}
    AtomicCheckpointIO(CONTENTS).save_checkpoint(state, path)
    sidecar_of(path).unlink()
    return path


def plain(path: Path, **more) -> Path:
    """What `torch.save` writes: no seal, the members' own checksums."""
    torch.save({"seq2seq_lab": {}, "global_step": 3, "w": torch.arange(40.0), **more}, path)
    return path


def test_the_seal_states_step_epoch_and_the_digest_of_all_before_it(tmp_path):
    path = stored(tmp_path / "best.ckpt")
    found = json.loads(zipfile.ZipFile(path).comment)
    assert (found["step"], found["epoch"]) == (7, 2)
    covered = read_seal(path).covered
    assert path.read_bytes()[covered:] == f'{found["sha256"]}"}}'.encode()
    assert check_seal(path) == read_seal(path)


def test_pytorch_and_zip_read_a_sealed_file_as_before(tmp_path):
    path = stored(tmp_path / "best.ckpt")
    assert torch.load(path, weights_only=True)["global_step"] == 7
    assert zipfile.ZipFile(path).testzip() is None


def damages(whole: bytes, other: bytes):
    """Yield (name, bytes) of damaged files: every kind at seeded places."""
    draw = random.Random(1)
    for place in [*range(0, len(whole), 37), *range(len(whole) - 140, len(whole))]:
        bit = 1 << draw.randrange(8)
        yield f"bit at {place}", whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :]
    for place in range(0, len(whole), 331):
        yield f"cut at {place}", whole[:place]
        yield f"zeros from {place}", whole[:place] + bytes(len(whole) - place)
        block = slice(place, place + 64)
        yield f"block of another at {place}", whole[:place] + other[block] + whole[place + 64 :]
    yield "a byte more", whole + b"x"
    yield "twice", whole + whole


def damage_is_found(path: Path, other: Path) -> int:
    whole, found = path.read_bytes(), 0
    for name, bad in damages(whole, other.read_bytes()):
        if bad == whole or name == "twice":  # the second half is a whole checkpoint
            continue
        path.write_bytes(bad)
        try:
            verify_checkpoint(path)
        except CheckpointError:
            found += 1
        else:
            pytest.fail(name)
    return found


def test_every_damage_is_found_without_a_checksum_file(tmp_path):
    assert damage_is_found(stored(tmp_path / "a.ckpt"), stored(tmp_path / "b.ckpt", step=8)) > 150


def test_planted_checks_of_the_seal_that_look_at_less_are_caught(tmp_path, monkeypatch):
    one, other = stored(tmp_path / "a.ckpt"), stored(tmp_path / "b.ckpt", step=8)
    monkeypatch.setattr(checkpoint_file, "check_seal", read_seal)
    with pytest.raises(pytest.fail.Exception):
        damage_is_found(one, other)


def test_of_a_file_without_a_seal_the_members_checksums_are_compared(tmp_path):
    path = plain(tmp_path / "old.ckpt")
    whole = path.read_bytes()
    assert verify_checkpoint(path) is None
    at = whole.index(torch.arange(40.0).numpy().tobytes())
    path.write_bytes(whole[: at + 5] + b"\xff" + whole[at + 6 :])
    assert torch.load(path, weights_only=True)["global_step"] == 3  # PyTorch does not notice
    with pytest.raises(CheckpointError, match=r"checksum of .*data"):
        read_checkpoint(path)


def test_the_error_names_the_newest_whole_checkpoint_beside_it(tmp_path):
    for name, step in (("step_1", 1), ("last", 9), ("best", 5)):
        stored(tmp_path / f"{name}.ckpt", step)
    (tmp_path / "best.ckpt").write_bytes(b"PK\x03\x04")
    with pytest.raises(CheckpointError, match=r"repeat the command with .*last\.ckpt"):
        read_checkpoint(tmp_path / "best.ckpt")


def test_the_newest_is_known_by_the_seal_alone(tmp_path):
    for name, step in (("a", 12), ("last", 9), ("best", 5)):
        stored(tmp_path / f"{name}.ckpt", step)
    assert newest_whole(tmp_path) == (tmp_path / "a.ckpt", [])
    assert step_of(tmp_path / "last.ckpt") == 9


def test_a_missing_checksum_file_is_written_again_for_whole_files_only(tmp_path):
    good, bad = stored(tmp_path / "best.ckpt"), stored(tmp_path / "last.ckpt")
    bad.write_bytes(bad.read_bytes()[:-9])
    AtomicCheckpointIO(CONTENTS).save_checkpoint(
        {"state_dict": {}, "global_step": 1, "epoch": 0}, tmp_path / "x.ckpt"
    )
    whole = sidecar_of(tmp_path / "x.ckpt").read_text()
    repair_sidecars(tmp_path)
    facts = json.loads(sidecar_of(good).read_text())
    assert (facts["step"], facts["epoch"], facts["bytes"]) == (7, 2, good.stat().st_size)
    assert not sidecar_of(bad).exists()
    assert sidecar_of(tmp_path / "x.ckpt").read_text() == whole


def test_a_checksum_file_that_is_a_folder_is_one_line(tmp_path):
    sidecar_of(stored(tmp_path / "best.ckpt")).mkdir()
    with pytest.raises(CheckpointError, match="not a checksum file"):
        read_checkpoint(tmp_path / "best.ckpt")


# hostile


class Runs:
    """A pickle that calls a function when it is loaded."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def with_pickle(path: Path, text: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    """An archive of PyTorch's form around any pickle."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in (("version", b"3\n"), ("byteorder", b"little"), ("data.pkl", text)):
            archive.writestr(f"archive/{name}", content)
    return path


HOSTILE = {
    "os.system": (2, "os", "system"),
    "by its real name": (2, "posix", "system"),
    "eval": (2, "builtins", "eval"),
    "protocol 4": (4, "posix", "system"),
    "a loader of pickles": (2, "pickle", "loads"),
    "a function of PyTorch": (2, "torch.hub", "load"),
    "a loader of PyTorch": (2, "torch", "load"),
}


def calling(protocol: int, module: str, name: str) -> bytes:
    """A pickle that calls a function by name, whatever that is."""
    named = (
        b"c" + f"{module}\n{name}\n".encode()
        if protocol == 2
        else b"".join(b"\x8c" + bytes([len(t)]) + t.encode() for t in (module, name)) + b"\x93"
    )
    return b"\x80" + bytes([protocol]) + named + b"X\x04\x00\x00\x00true\x85R."


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_pickle_that_calls_what_is_not_pytorchs_is_refused_as_unsafe(tmp_path, kind):
    path = with_pickle(tmp_path / "best.ckpt", calling(*HOSTILE[kind]))
    with pytest.raises(UnsafeError, match="neither tensors nor plain values"):
        read_checkpoint(path)


def test_a_bare_pickle_is_refused_as_unsafe(tmp_path):
    trace = tmp_path / "trace"
    path = tmp_path / "best.ckpt"
    path.write_bytes(pickle.dumps(Runs(Path.touch, trace)))
    with pytest.raises(UnsafeError, match="a bare pickle"):
        read_checkpoint(path)
    assert not trace.exists()


def test_an_archive_that_unpacks_to_more_than_it_holds_is_refused(tmp_path):
    bomb = pickle.dumps("x" * 50_000_000, protocol=2)
    path = with_pickle(tmp_path / "best.ckpt", bomb, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    with pytest.raises(CheckpointError):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [[1, 2], {"seq2seq_lab": [1]}, {"state_dict": {}}, 5])
def test_an_archive_of_something_else_is_no_checkpoint(tmp_path, content):
    torch.save(content, tmp_path / "best.ckpt")
    with pytest.raises(CheckpointError, match="no config and tokenizers"):
        read_checkpoint(tmp_path / "best.ckpt")


def test_sealing_covers_what_is_already_there():
    buffer = io.BytesIO()
    torch.save({"a": 1}, buffer)
    before = buffer.getvalue()
    checkpoint_seal.seal(buffer, step=1, epoch=0)
    assert buffer.getvalue()[: len(before) - 2] == before[:-2]
