"""An exported folder: the same hypotheses wherever it lies; damaged, foreign and incomplete ones are refused."""

import json
import shutil

import pytest
import torch

from seq2seq_lab.errors import CheckpointError, UserError
from seq2seq_lab.inference.publication import published
from seq2seq_lab.inference.stored_model import (
    CARD,
    FILES,
    MANIFEST,
    StoredModel,
    read_export,
    write_export,
)
from seq2seq_lab.inference.trained import load, read_model
from support import in_process_command
from support.in_process_command import LINES, learned, one_line_error, text_of
from support.small_runs import SMALL_COPY, run_command, run_folder

command = in_process_command.command


def tied():
    """Return a run whose two embeddings and output share one matrix."""
    ties = ("data.joint=true", "model.tie_output=true", "model.tie_source=true")
    width = ("model.dim=16", "model.embedding_dim=16", "training.trainer.max_epochs=1")
    return run_folder(*SMALL_COPY, *width, *ties, "model.decoder.readout.dim=16")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Export in a process of its own; train before any output is captured."""
    folder = tmp_path_factory.mktemp("export") / "model"
    done = run_command("export", learned(), folder)
    assert (done.returncode, done.stderr) == (0, b"")
    return folder


UNKNOWN = (
    b"note: 2 of 19 source tokens are not in the vocabulary, in 1 of 8 lines: '</s>', '<eos>'\n"
)
"""What translate.py says of LINES."""


def same_output(folder, other) -> None:
    """O21: byte for byte, scores included, in fresh processes."""
    stdin = text_of(LINES).encode()
    arguments = ("--beam", 3, "--jsonl", "--attention")
    some, others = (
        run_command("translate", path, *arguments, stdin=stdin) for path in (folder, other)
    )
    assert (some.returncode, some.stderr) == (others.returncode, others.stderr) == (0, UNKNOWN)
    assert some.stdout.count(b"\n") == len(LINES)
    assert some.stdout == others.stdout


def test_a_moved_export_gives_the_same_output(exported, tmp_path):
    shutil.copytree(exported, tmp_path / "moved elsewhere")
    same_output(learned(), tmp_path / "moved elsewhere")


def test_planted_weight_that_is_off_is_caught(exported, tmp_path):
    stored = read_export(exported)
    name = next(name for name in stored.weights if name.endswith("weight_hh_l0"))
    stored.weights[name][0] += 1e-3
    write_export(tmp_path, stored)
    with pytest.raises(AssertionError):
        same_output(learned(), tmp_path)


def test_an_export_holds_no_pickle_and_is_the_same_every_time(exported, tmp_path):
    assert sorted(p.name for p in exported.iterdir()) == sorted([*FILES, MANIFEST, CARD])
    write_export(tmp_path, read_model(learned()))
    for name in (*FILES, MANIFEST):
        assert (tmp_path / name).read_bytes() == (exported / name).read_bytes()


def test_an_export_can_be_exported_again(exported, command, tmp_path):
    assert command("export", exported, tmp_path / "again")[0] == 0
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (exported / name).read_bytes()


def test_tied_weights_come_back_tied(tmp_path):
    write_export(tmp_path, read_model(tied()))
    model = load(tmp_path).translator.model
    assert model.decoder.output.weight is model.decoder.embedding.lookup.weight
    assert torch.equal(
        model.decoder.output.weight, load(tied()).translator.model.decoder.output.weight
    )


def test_languages_and_config_travel(exported):
    found, run = load(exported), load(learned())
    assert found.config == published(run.config)
    assert (found.source_language, found.target_language) == ("zxx", "zxx")


def changed(name):
    def change(folder):
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

    return change


def without_files(folder):
    (folder / MANIFEST).write_text('{"format": "seq2seq-lab model 1"}')


def other_format(folder):
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, "format": "seq2seq-lab model 9"}))


DAMAGE = {
    **{name: (changed(name), "damaged, its SHA-256") for name in FILES},
    "missing weights": (lambda folder: (folder / FILES[0]).unlink(), "missing, but export.json"),
    "no manifest": (lambda folder: (folder / MANIFEST).unlink(), "no checkpoints/best.ckpt"),
    "broken manifest": (lambda folder: (folder / MANIFEST).write_text("{"), "not the manifest"),
    "manifest without files": (without_files, "not the manifest"),
    "another format": (other_format, "'seq2seq-lab model 9', known is"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_export_is_reported(exported, command, tmp_path, name):
    shutil.copytree(exported, tmp_path / "model")
    damage, says = DAMAGE[name]
    damage(tmp_path / "model")
    assert says in one_line_error(command("translate", tmp_path / "model", "--text", "1"), 6)


def test_other_tensors_with_a_right_checksum_are_reported(exported, tmp_path):
    stored = read_export(exported)
    stored.weights.popitem()
    write_export(tmp_path, stored)
    with pytest.raises(CheckpointError, match="do not fit the stored config"):
        load(tmp_path)


def test_a_foreign_target_in_an_export_is_refused(exported, tmp_path):
    stored = read_export(exported)
    config = {**stored.config, "decoding": {"_target_": "os.system", "command": "true"}}
    write_export(tmp_path, StoredModel(**{**vars(stored), "config": config}))
    with pytest.raises(UserError) as error:
        load(tmp_path)
    assert error.value.exit_code == 7


def test_a_folder_that_holds_something_is_left_alone(command, tmp_path):
    (tmp_path / "dear.txt").write_text("x")
    error = one_line_error(command("export", learned(), tmp_path), 2)
    assert "dear.txt" in error
    assert [p.name for p in tmp_path.iterdir()] == ["dear.txt"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["RUN"], 2, "required: folder"),
        (["@/nowhere", "@/out"], 6, "nowhere: no such checkpoint"),
        (["RUN", "@/file"], 5, "file: cannot be made"),
    ],
)
def test_a_mistake_is_one_line(command, tmp_path, arguments, code, says):
    (tmp_path / "file").write_text("x")
    given = [a.replace("RUN", str(learned())).replace("@", str(tmp_path)) for a in arguments]
    assert says in one_line_error(command("export", *given), code)
