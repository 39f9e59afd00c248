import shutil

import pytest
import torch

from seq2seq_lab.errors import CheckpointError, UnsafeError
from seq2seq_lab.files import write_sidecar
from seq2seq_lab.inference import trained as module
from seq2seq_lab.inference.trained import find_checkpoint, load, read_checkpoint
from support.small_runs import tiny_run


def test_a_file_is_taken_as_it_is(tmp_path):
    (tmp_path / "any name").write_bytes(b"x")
    assert find_checkpoint(tmp_path / "any name") == tmp_path / "any name"


@pytest.mark.parametrize("folder", ["", "checkpoints"])
def test_the_best_checkpoint_of_a_folder_comes_first(tmp_path, folder):
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / "last.ckpt").write_bytes(b"x")
    assert find_checkpoint(tmp_path).name == "last.ckpt"
    (tmp_path / folder / "best.ckpt").write_bytes(b"x")
    assert find_checkpoint(tmp_path) == tmp_path / folder / "best.ckpt"


def test_loading_gives_translator_config_and_languages():
    found = load(tiny_run())
    assert (found.source_language, found.target_language) == ("zxx", "zxx")
    assert found.config["model"]["dim"] == 16
    assert found.translator.max_source_tokens == 200


def test_the_model_is_in_evaluation_mode():
    assert not any(m.training for m in load(tiny_run()).translator.model.modules())


def test_the_weights_are_those_stored():
    stored = torch.load(tiny_run() / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    weights = load(tiny_run()).translator.model.state_dict()
    assert {f"model.{name}" for name in weights} == set(stored)
    assert all(torch.equal(stored[f"model.{name}"], weights[name]) for name in weights)


def test_loading_draws_no_random_number_that_others_miss():
    texts = ["0 1 2", "5 4"]
    some = load(tiny_run()).translator.translate(texts)
    torch.manual_seed(99)
    others = load(tiny_run()).translator.translate(texts)
    assert [(t.text, t.score) for t in some] == [(t.text, t.score) for t in others]


def test_a_run_folder_can_be_moved(tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(tiny_run(), moved)
    texts = ["0 1 2", "5 4"]
    found = [
        [t.text for t in load(path).translator.translate(texts)] for path in (moved, tiny_run())
    ]
    assert found[0] == found[1]


def test_a_damaged_file_is_found_before_it_is_parsed(tmp_path, monkeypatch):
    path = tmp_path / "best.ckpt"
    torch.save({"seq2seq_lab": {}}, path)
    write_sidecar(path)
    path.write_bytes(path.read_bytes() + b"x")
    monkeypatch.setattr(module.torch, "load", lambda *_, **__: pytest.fail("parsed"))
    with pytest.raises(CheckpointError, match="SHA-256"):
        read_checkpoint(path)


def test_objects_of_foreign_classes_are_refused(tmp_path):
    torch.save({"seq2seq_lab": {}, "model": torch.nn.Linear(2, 2)}, tmp_path / "best.ckpt")
    with pytest.raises(UnsafeError, match="neither tensors nor plain values"):
        read_checkpoint(tmp_path / "best.ckpt")


def test_a_checkpoint_without_our_part_is_reported(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "best.ckpt")
    with pytest.raises(CheckpointError, match="no config and tokenizers"):
        read_checkpoint(tmp_path / "best.ckpt")


def test_a_foreign_tokenizer_class_is_refused(tmp_path):
    path = tmp_path / "best.ckpt"
    checkpoint = torch.load(tiny_run() / "checkpoints" / "best.ckpt", weights_only=True)
    text = checkpoint["seq2seq_lab"]["source_tokenizer"]
    checkpoint["seq2seq_lab"]["source_tokenizer"] = text.replace("WordTokenizer", "os.system")
    torch.save(checkpoint, path)
    with pytest.raises(UnsafeError):
        load(path)
