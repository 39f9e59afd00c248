import json

import pytest
import torch

from seq2seq_lab.errors import CheckpointError
from seq2seq_lab.files import sha256_of, sidecar_of
from seq2seq_lab.training import checkpoint_io as module
from seq2seq_lab.training.checkpoint_io import AtomicCheckpointIO

STATE = {"state_dict": {"model.w": torch.arange(6.0)}, "global_step": 7, "epoch": 2}
CONTENTS = {"config": {"model": {"dim": 8}}, "source_tokenizer": "{}"}


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "checkpoints" / "best.ckpt"
    AtomicCheckpointIO(CONTENTS).save_checkpoint(STATE, path)
    return path


def test_a_checkpoint_holds_what_it_needs_to_stand_alone(stored):
    found = torch.load(stored, weights_only=True)
    assert found["seq2seq_lab"] == CONTENTS
    assert torch.equal(found["state_dict"]["model.w"], torch.arange(6.0))


def test_the_checksum_lies_beside_it_with_step_and_epoch(stored):
    facts = json.loads(sidecar_of(stored).read_text())
    assert facts == {
        "sha256": sha256_of(stored),
        "bytes": stored.stat().st_size,
        "step": 7,
        "epoch": 2,
    }


def test_no_temporary_file_is_left(stored):
    assert {p.name for p in stored.parent.iterdir()} == {"best.ckpt", "best.ckpt.sha256.json"}


def test_the_state_that_lightning_gave_is_not_changed(stored):
    assert "seq2seq_lab" not in STATE


def test_loading_returns_the_state(stored):
    found = AtomicCheckpointIO({}).load_checkpoint(stored)
    assert found["global_step"] == 7


def test_every_flipped_byte_is_noticed_before_anything_is_parsed(stored, monkeypatch):
    whole = stored.read_bytes()
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("parsed"))
    for place in range(0, len(whole), max(1, len(whole) // 40)):
        stored.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(CheckpointError, match="SHA-256"):
            AtomicCheckpointIO({}).load_checkpoint(stored)


def test_a_failed_save_keeps_the_old_checkpoint(stored, monkeypatch):
    before = stored.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.torch, "save", full)
    with pytest.raises(Exception, match="No space left"):
        AtomicCheckpointIO(CONTENTS).save_checkpoint(STATE, stored)
    assert stored.read_bytes() == before
    monkeypatch.undo()
    assert AtomicCheckpointIO({}).load_checkpoint(stored)["global_step"] == 7


def test_saving_again_renews_the_checksum(stored):
    AtomicCheckpointIO(CONTENTS).save_checkpoint({**STATE, "global_step": 9}, stored)
    assert AtomicCheckpointIO({}).load_checkpoint(stored)["global_step"] == 9


def test_removing_takes_the_checksum_along(stored):
    AtomicCheckpointIO({}).remove_checkpoint(stored)
    assert list(stored.parent.iterdir()) == []


def test_removing_what_is_not_there_is_no_error(tmp_path):
    AtomicCheckpointIO({}).remove_checkpoint(tmp_path / "best.ckpt")


def test_storage_options_are_refused(tmp_path):
    with pytest.raises(TypeError, match="storage options"):
        AtomicCheckpointIO({}).save_checkpoint(STATE, tmp_path / "a.ckpt", {"x": 1})
