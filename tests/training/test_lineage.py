"""Inputs and output of a run as a logger gets them: data, tokenizers, extensions and the best checkpoint."""

import json
from types import SimpleNamespace

import pytest
from pytorch_lightning.loggers import Logger

from seq2seq_lab.config.extension_registry import extensions
from seq2seq_lab.data.table_file import TableFile
from seq2seq_lab.training import lineage as module
from seq2seq_lab.training.lineage import send_inputs, send_model
from support.extension_packages import install, on_path
from support.small_runs import small, trainer

MANIFEST = {
    "name": "lstm_attn_copy",
    "seed": 3,
    "config_hash": "12ab34cd",
    "choices": {"data": "copy", "model": "lstm_attn"},
    "extensions": {},
}


class Artifacts(Logger):
    name = version = ""

    def __init__(self):
        super().__init__()
        self.sent = {}

    def log_hyperparams(self, *args, **kwargs):
        pass

    def log_metrics(self, metrics, step=None):
        pass

    def log_artifact(self, name, type, files=(), texts=None, metadata=None, uses=False):
        content = {"files": files, "texts": texts, "metadata": metadata, "uses": uses}
        self.sent[name] = {"type": type, **content}


def sent(folder, *overrides, manifest=MANIFEST, change=lambda data: None, **settings):
    """Return what a run in this folder sends before its first step."""
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    parts, log = small(*overrides), Artifacts()
    change(parts.data)
    send_inputs(trainer(folder, logger=[log], **settings), parts.data)
    return log.sent


def test_data_are_an_input_that_the_hashes_of_its_splits_make_distinct(tmp_path):
    one, same, other = (
        sent(tmp_path, f"data.corpus.corpus_seed={number}")["data-copy"] for number in (1, 1, 2)
    )
    assert one["uses"]
    assert one["type"] == "dataset"
    assert one["texts"] == same["texts"] != other["texts"]
    splits = json.loads(one["texts"]["splits.json"])
    assert {split: row["pairs"] for split, row in splits.items()} == {
        "train": 24,
        "val": 10,
        "test": 10,
    }


def test_the_files_of_a_corpus_are_named_by_their_whole_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = lambda data: setattr(data, "corpus", TableFile("pairs.tsv", "zh", "en"))  # noqa: E731
    found = sent(tmp_path / "run", change=table)["data-copy"]
    assert found["files"] == [str(tmp_path.resolve() / "pairs.tsv")]


def test_tokenizers_are_an_input_as_texts(tmp_path):
    found = sent(tmp_path)["tokenizers-copy"]
    assert (found["type"], found["uses"]) == ("tokenizer", True)
    for side in ("source", "target"):
        assert json.loads(found["texts"][f"{side}.json"])["class"].endswith("Tokenizer")


def test_the_source_of_an_extension_is_an_input(tmp_path):
    install(tmp_path / "site")
    with on_path(tmp_path / "site"):
        facts = {"version": "1", "sha256": extensions()["my_lab"].sha256}
        found = sent(tmp_path / "run", manifest={**MANIFEST, "extensions": {"my_lab": facts}})
        root = extensions()["my_lab"].root
    code = found["extension-my_lab"]
    assert (code["type"], code["uses"], code["metadata"]) == ("code", True, facts)
    for entry, text in code["texts"].items():
        assert (root / entry).read_text(encoding="utf-8") == text
    assert {"__init__.py", "attention.py"} < set(code["texts"])


def test_the_model_is_the_best_checkpoint_with_its_numbers(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    best, log = tmp_path / "best.ckpt", Artifacts()
    best.write_bytes(b"weights")
    engine = trainer(tmp_path, logger=[log])
    run = SimpleNamespace(
        is_global_zero=True,
        fast_dev_run=False,
        loggers=engine.loggers,
        default_root_dir=str(tmp_path),
    )
    send_model(run, best, {"test/bleu": 12.5, "val/perplexity": float("inf")})
    model = log.sent["model-lstm_attn_copy"]
    assert (model["files"], model["uses"]) == ([str(best.resolve())], False)
    assert model["metadata"]["metrics"] == {"test/bleu": 12.5}
    assert model["metadata"]["config_hash"] == "12ab34cd"
    best.unlink()
    log.sent.clear()
    send_model(run, best, {})
    send_model(run, None, {})
    assert log.sent == {}


@pytest.mark.parametrize("content", ["", "[]", '{"choices": null}'])
def test_a_manifest_that_is_missing_or_broken_stops_nothing(tmp_path, content):
    parts, log = small(), Artifacts()
    if content:
        (tmp_path / "manifest.json").write_text(content)
    send_inputs(trainer(tmp_path, logger=[log]), parts.data)
    assert set(log.sent) == {"data-run", "tokenizers-run"}


def test_a_corpus_whose_paths_fail_costs_one_line(tmp_path, capsys):
    broken = lambda data: setattr(data.corpus, "paths", lambda: 1 / 0)  # noqa: E731
    assert sent(tmp_path, change=broken) == {}
    assert capsys.readouterr().err.count("no artifacts (division by zero)") == 1


def test_without_a_logger_for_artifacts_nothing_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_manifest", lambda trainer: 1 / 0)
    send_inputs(trainer(tmp_path), small().data)
