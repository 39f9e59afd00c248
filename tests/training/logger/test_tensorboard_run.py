"""TensorBoard's event files of a real run, read back by TensorBoard itself; and what may fail."""

import json
import sys

import pytest
from PIL import Image

from seq2seq_lab.training.logger.tensorboard_run import TensorBoardRun
from support.small_runs import train

FEW = (
    "debug=tiny", "data=copy", "data.max_pairs=8", "data.corpus.num_train=16", "data.corpus.num_val=8",
    "data.corpus.num_test=8", "training.trainer.max_epochs=2", "training/logger=tensorboard",
)  # fmt: skip


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "tensorboard"), size_guidance={"tensors": 0, "images": 0})
    return found.Reload()


def texts(found, name):
    events = found.Tensors(f"{name}/text_summary")
    return [event.tensor_proto.string_val[0].decode() for event in events]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tensorboard") / "run"
    assert train(*FEW, f"run_dir={folder}") == 0
    return folder, read(folder)


def test_numbers_are_there_at_their_steps(stored):
    folder, found = stored
    result = json.loads((folder / "result.json").read_text())
    losses = found.Scalars("val/loss")
    assert len(losses) == 3  # two epochs, and the best checkpoint once more
    assert losses[0].step < losses[1].step
    for name in ("test/loss", "test/bleu", "attention/entropy"):
        assert found.Scalars(name)[-1].value == pytest.approx(result[name], rel=1e-5)


def test_pictures_are_there(stored):
    folder, found = stored
    wanted = {
        "attention/1",
        "attention/2",
        "attention/3",
        "exposure_bias/val",
        "exposure_bias/test",
    }
    assert set(found.Tags()["images"]) == wanted
    drawn = found.Images("attention/1")[-1]
    with Image.open(folder / "attention" / "1.png") as picture:
        assert (drawn.width, drawn.height) == picture.size


def test_config_result_and_samples_are_there_as_text(stored):
    folder, found = stored
    (config,) = texts(found, "config")
    assert '    "seed": 1' in config.splitlines()[-10:] or '"seed": 1' in config
    (result,) = texts(found, "result")
    assert json.loads(result) == json.loads((folder / "result.json").read_text())
    samples = texts(found, "samples")[-1].splitlines()
    assert samples[0] == "| epoch | source | reference | hypothesis | score |"
    assert len(samples) == 2 + 8


def test_text_of_a_corpus_cannot_break_a_table(tmp_path):
    log = TensorBoardRun()
    log.open(tmp_path, {})
    log.log_table("t", ["a", "b"], [["x|y\nz", "<script>&"], [1.23456, 7]])
    log.close("success")
    (text,) = texts(read(tmp_path), "t")
    assert text.splitlines()[2:] == ["| x&#124;y z | &lt;script>&amp; |", "| 1.235 | 7 |"]


def test_a_failing_call_costs_one_line_and_nothing_else(tmp_path, capsys):
    log = TensorBoardRun()
    log.open(tmp_path, {})
    log.log_image("attention/1", tmp_path / "missing.png")
    log.log_image("attention/2", tmp_path / "missing.png")
    log.log_metrics({"a": 1.0}, step=1)
    log.close("success")
    assert capsys.readouterr().err.count("TensorBoard: not logged") == 1


def test_an_unwritable_folder_costs_one_line(tmp_path, capsys):
    (tmp_path / "tensorboard").write_text("a file in the way")
    log = TensorBoardRun()
    log.open(tmp_path, {})
    log.log_metrics({"a": 1.0}, step=1)
    log.close("success")
    assert capsys.readouterr().err.count("\n") == 1


def test_without_the_package_one_line_is_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    log = TensorBoardRun()
    log.open(tmp_path, {})
    log.log_metrics({"a": 1.0}, step=1)
    log.close("success")
    assert list(tmp_path.iterdir()) == []
    assert "pip install 'seq2seq-lab[tensorboard]'" in capsys.readouterr().err


def test_a_bad_argument_is_named():
    with pytest.raises(ValueError, match="flush_seconds=0: must be >= 1"):
        TensorBoardRun(0)
