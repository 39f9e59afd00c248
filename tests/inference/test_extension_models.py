"""A model of somebody else's classes: its run says so, and loading it without them says what to install."""

import json
import sys
from pathlib import Path

import pytest
import torch

from seq2seq_lab.config.extension_registry import VARIABLE
from seq2seq_lab.errors import CheckpointError, UnsafeError, UserError
from seq2seq_lab.inference.averaging import average
from seq2seq_lab.inference.checkpoint_file import read_checkpoint
from seq2seq_lab.inference.stored_model import write_export, write_manifest
from seq2seq_lab.inference.trained import load, read_model
from seq2seq_lab.training.checkpoint_io import AtomicCheckpointIO
from support.extension_packages import MY_LAB, TWICE, install, on_path, write
from support.small_runs import run_script, train

LINE = (
    "experiment=my_study", *TWICE, "training/logger=csv", "+training/callback=counter", "data.monitor=val/first_word",
)  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The folder where my_lab is installed, and a run of it in `run`."""
    folder = tmp_path_factory.mktemp("site")
    install(folder)
    with on_path(folder):
        assert train(*LINE, f"run_dir={folder / 'run'}") == 0
    return folder


def contents(path: Path) -> dict:
    return read_checkpoint(path / "run" / "checkpoints" / "best.ckpt")["seq2seq_lab"]


def changed(place: Path, target: Path, **what) -> Path:
    """Store the best checkpoint again, whole and sealed, with other contents."""
    state = read_checkpoint(place / "run" / "checkpoints" / "best.ckpt")
    AtomicCheckpointIO({**state.pop("seq2seq_lab"), **what}).save_checkpoint(state, target)
    return target


def test_the_run_uses_class_corpus_tokenizer_callback_and_metric(place):
    numbers = json.loads((place / "run" / "result.json").read_text())
    assert numbers["my_lab/batches"] == numbers["train/steps"] > 0
    assert {"test/first_word", "val/first_word"} <= set(numbers)
    assert "test/first_word" in (place / "run" / "metrics.csv").read_text().partition("\n")[0]
    config = contents(place)["config"]
    assert config["model"]["decoder"]["attention"]["_target_"] == "my_lab.attention.SharpAttention"
    assert json.loads(contents(place)["source_tokenizer"])["class"] == "my_lab.data.Words"


def test_manifest_checkpoint_and_export_name_version_source_and_distribution(place, tmp_path):
    manifest = json.loads((place / "run" / "manifest.json").read_text())["extensions"]
    assert list(manifest) == ["my_lab"]
    assert manifest["my_lab"] | {"sha256": ""} == {
        "version": "0.1", "sha256": "", "distribution": "my-lab", "source": "my_lab", "needs": [], "metrics": True,
    }  # fmt: skip
    assert len(manifest["my_lab"]["sha256"]) == 64
    assert contents(place)["extensions"] == manifest
    with on_path(place):
        write_export(tmp_path, read_model(place / "run"))
        assert json.loads((tmp_path / "config.json").read_text())["extensions"] == manifest
        assert load(tmp_path).translator.translate(["1 2"]) == load(
            place / "run"
        ).translator.translate(["1 2"])
    with pytest.raises(UnsafeError, match=r"pip install 'my-lab==0.1'"):
        load(tmp_path)


def test_without_the_package_every_way_to_load_says_what_to_install(place, tmp_path):
    best = place / "run" / "checkpoints" / "best.ckpt"
    for refused in (lambda: load(place / "run"), lambda: average([best, best])):
        with pytest.raises(UnsafeError) as found:
            refused()
        assert "needs the extension my_lab 0.1, which is not there" in str(found.value)
        assert "if you trust it, pip install 'my-lab==0.1'" in str(found.value)
    assert "my_lab" not in sys.modules


def test_resuming_without_the_package_says_what_to_install(place, capsys):
    for way in (
        ["resume=auto", f"run_dir={place / 'run'}"],
        [f"resume={place / 'run/checkpoints/last.ckpt'}"],
    ):
        assert train(*LINE, *way) == 7
        told = capsys.readouterr().err
        assert "pip install 'my-lab==0.1'" in told
        assert "experiment=my_study: no such option" in told
        assert told.count("\n") == 1


def test_a_study_without_the_package_says_what_to_install(place, tmp_path, capsys):
    run = tmp_path / "study" / "runs" / "all-s1-0"
    run.mkdir(parents=True)
    (run / "manifest.json").write_bytes((place / "run" / "manifest.json").read_bytes())
    line = ("-m", *LINE, "seed=1,2", "study=mine", f"study_dir={tmp_path / 'study'}")
    assert train(*line) == 7
    assert "pip install 'my-lab==0.1'" in capsys.readouterr().err


def test_a_changed_source_is_one_note_and_no_refusal(place, tmp_path, capsys):
    newer = {**MY_LAB, "watch.py": MY_LAB["watch.py"].replace("Counts", "Counts the")}
    install(tmp_path, newer, version="0.2")
    with on_path(tmp_path):
        load(place / "run")
    told = capsys.readouterr().err
    assert "note: " in told
    assert "the extension my_lab has changed since (0.1 then, 0.2 now)" in told
    assert told.count("\n") == 1


def test_what_only_trained_the_model_is_not_needed_to_use_it(place, tmp_path):
    facts = contents(place)["extensions"]
    other = {"trainer_lab": {**facts["my_lab"], "distribution": None, "source": "trainer_lab.py"}}
    path = changed(place, tmp_path / "a.ckpt", extensions=facts | other)
    with on_path(place):
        load(path)
    needs = {"my_lab": {**facts["my_lab"], "needs": ["trainer_lab"]}}
    path = changed(place, tmp_path / "b.ckpt", extensions=needs | other)
    with on_path(place), pytest.raises(UnsafeError, match=r"give --extension PATH/trainer_lab\.py"):
        load(path)


@pytest.mark.parametrize(
    "facts",
    [
        [1], {"my_lab": None}, {"my_lab": {}}, {"a b; curl x": 1},
        {"x": {"version": "1; rm", "sha256": "0", "distribution": "x", "source": "x", "needs": [], "metrics": True}},
        {"x": {"version": "1", "sha256": "0", "distribution": "-rx", "source": "x", "needs": [], "metrics": True}},
    ],
)  # fmt: skip
def test_facts_that_no_run_writes_are_refused(place, tmp_path, facts):
    path = changed(place, tmp_path / "a.ckpt", extensions=facts)
    with on_path(place), pytest.raises(CheckpointError, match="what it says of extensions"):
        load(path)


# hostile contents: nothing runs

HOSTILE = {
    "another package": ("model", "evil_lab.Model"),
    "a function of the extension": ("model", "my_lab.attention.system"),
    "an import of the extension": ("decoding", "my_lab.attention.subprocess.Popen"),
    "a name that it assigns": ("decoding", "my_lab.attention.Shell"),
    "a private class": ("model", "my_lab.attention._Hidden"),
}


@pytest.fixture
def evil(tmp_path):
    """A package that could be imported and writes `mark` when it is."""
    mark = tmp_path / "mark"
    text = f"from pathlib import Path\nPath({str(mark)!r}).touch()\nMETRICS = {{}}\nclass Model:\n    pass\n"
    write(tmp_path, {"__init__.py": text}, "evil_lab")
    yield tmp_path
    assert not mark.exists()
    assert "evil_lab" not in sys.modules


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("is_export", [False, True])
def test_contents_of_a_file_never_widen_what_is_trusted(place, evil, name, is_export):
    part, target = HOSTILE[name]
    config = json.loads(json.dumps(contents(place)["config"]))
    config[part]["_target_"] = target
    facts = contents(place)["extensions"]
    claimed = {"evil_lab": {**facts["my_lab"], "distribution": None}}
    with on_path(evil, place):
        if is_export:
            path = evil / "export"
            path.mkdir()
            write_export(path, read_model(place / "run"))
            stored = json.loads((path / "config.json").read_text())
            (path / "config.json").write_text(json.dumps({**stored, "config": config}))
            names = (
                "model.safetensors",
                "config.json",
                "source_tokenizer.json",
                "target_tokenizer.json",
            )
            write_manifest(path, names)
        else:
            path = changed(place, evil / "a.ckpt", config=config, extensions=facts | claimed)
        with pytest.raises(UserError) as found:
            load(path)
    assert found.value.exit_code == 7


@pytest.mark.parametrize("kind", ["evil_lab.Model", "my_lab.attention.system", "my_lab.data.Twice"])
def test_a_stored_tokenizer_never_widens_what_is_trusted(place, evil, kind):
    text = json.loads(contents(place)["source_tokenizer"])
    path = changed(place, evil / "a.ckpt", source_tokenizer=json.dumps({**text, "class": kind}))
    with on_path(evil, place), pytest.raises(UnsafeError):
        load(path)


# in processes of their own


def test_a_file_beside_the_notebook_trains_and_translates(place, tmp_path):
    lines = MY_LAB["attention.py"].replace("class SharpAttention", "class NoteAttention")
    write(tmp_path, {"note_lab.py": lines}, ".")
    target = (
        "model.decoder.attention._target_=note_lab.NoteAttention", "+model.decoder.attention.dim=4",
        "~model.decoder.attention.temperature",
    )  # fmt: skip
    line = ("data=copy", *TWICE, "training/logger=csv", *target, f"run_dir={tmp_path / 'run'}")
    done = run_script("train.py", "--extension", "note_lab.py", *line, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    text = ("scripts/translate.py", tmp_path / "run", "--text", "1 2 3")
    done = run_script(*text, "--extension=note_lab.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()
    done = run_script(*text, cwd=tmp_path)
    assert done.returncode == 7
    told = done.stderr.decode()
    assert "needs the extension note_lab, which is not there" in told
    assert "give --extension PATH/note_lab.py" in told
    assert told.count("\n") == 1


def test_the_weights_are_those_of_the_extension(place):
    with on_path(place):
        attention = load(place / "run").translator.model.decoder.attention
        assert type(attention).__module__ == "my_lab.attention"
        assert torch.isfinite(attention.query.weight).all()
    assert VARIABLE not in __import__("os").environ
