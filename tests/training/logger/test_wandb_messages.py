"""Messages that W&B's process carries out, read back; and messages that cannot be carried out."""

import base64
import hashlib
import os
import subprocess
import sys

import pytest

from seq2seq_lab.training.logger.wandb_run import WandbRun
from support.wandb_files import (
    artifacts,
    history,
    offline_run,
    overview,
    stored_table,
    text_of,
)

CONFIG = {"name": "lstm_attn_numbers", "seed": 7}


@pytest.fixture(autouse=True)
def _no_account(monkeypatch, tmp_path):
    for name in [n for n in os.environ if n.startswith("WANDB")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def sent(folder, *messages):
    """Return the offline run of these messages, with a row of metrics after them."""
    folder.mkdir(exist_ok=True)
    logger = WandbRun()
    logger.open(folder, CONFIG)
    for message in messages:
        logger.send(message)
    logger.log_metrics({"val/bleu": 5.0}, step=1)
    logger.close("success")
    return offline_run(folder)


def artifact(name="data-x", **content):
    empty = {"files": [], "texts": {}, "metadata": {}, "uses": False}
    return {"do": "artifact", "name": name, "type": "dataset", **empty, **content}


def attention(**changed):
    tokens = {"source_tokens": ["a", "b"], "target_tokens": ["二"]}
    content = {"name": "attention_by_epoch/1", "weights": [[0.25, 0.75]], "title": "epoch 0: 二"}
    return {"do": "attention", **tokens, **content, **changed}


def test_messages_that_fail_cost_one_warning_and_the_run_goes_on(tmp_path, capfd):
    run = sent(
        tmp_path,
        attention(weights=[[1.0]]),
        artifact(files=[str(tmp_path / "missing.ckpt")]),
        {"do": "hypotheses", "split": "test", "columns": ["a", "b"], "rows": [[1]]},
        {"do": "curves", "name": "x"},
        {"do": "something new"},
    )
    assert overview(run)["state"] == "finished"
    assert history(run)[-1]["val/bleu"] == 5
    assert artifacts(run) == {}
    lines = capfd.readouterr().err.splitlines()
    assert [line for line in lines if "could not log" in line] == lines[:1]
    assert "attention_by_epoch/1" in lines[0]


def test_references_have_names_below_their_common_folder_and_checksums(tmp_path):
    data = tmp_path / "corpus"
    for name in ("a/train.en", "b/train.en"):
        (data / name).parent.mkdir(parents=True)
        (data / name).write_text(name)
    files = sorted(str(path) for path in data.rglob("*.en"))
    run = sent(tmp_path / "run", artifact(files=files, uses=True))
    entries = artifacts(run)["data-x"]["manifest"]["contents"]
    assert {entry["path"]: entry["ref"] for entry in entries} == {
        name: (data / name).as_uri() for name in ("a/train.en", "b/train.en")
    }
    for entry in entries:
        expected = hashlib.md5(entry["path"].encode()).digest()
        assert entry["digest"] == base64.b64encode(expected).decode()


def digest(folder, text):
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "pairs.tsv").write_text(text)
    files = [str(folder / "data" / "pairs.tsv")]
    run = sent(folder / "run", artifact(files=files, texts={"splits.json": "{}"}))
    return artifacts(run)["data-x"]["digest"]


@pytest.mark.slow
def test_the_version_of_an_artifact_follows_from_its_content_not_from_its_place(tmp_path):
    assert digest(tmp_path / "one", "a\tb\n") == digest(tmp_path / "two", "a\tb\n")
    assert digest(tmp_path / "three", "a\tc\n") != digest(tmp_path / "four", "a\tb\n")


def test_texts_copies_and_the_hash_of_the_config(tmp_path):
    (tmp_path / "page.html").write_text("<p>")
    found = artifacts(
        sent(
            tmp_path,
            artifact(
                copies=[str(tmp_path / "page.html")],
                texts={"sub/二.json": "二\n"},
                metadata={"config_hash": "12ab"},
            ),
        )
    )["data-x"]
    entries = {entry["path"]: entry for entry in found["manifest"]["contents"]}
    assert text_of(entries["page.html"]) == "<p>"
    assert text_of(entries["sub/二.json"]) == "二\n"
    assert set(found["aliases"]) == {"latest", "12ab"}
    assert not found.get("use_after_commit")


def test_cells_without_a_value_and_curves_of_any_length(tmp_path):
    table = {"columns": ["id", "bleu"], "rows": [[0, 1.5], [1, None]]}
    lines = {"one": [1.0, 2.5], "two": [3.0, 4.0]}
    curves = {"x": [1, 2], "lines": lines, "title": "T", "x_label": "position"}
    run = sent(
        tmp_path,
        {"do": "hypotheses", "split": "test", **table},
        {"do": "curves", "name": "c", **curves},
    )
    summary = overview(run)["summary"]
    assert stored_table(run, summary["test/hypotheses"]["path"])["data"] == table["rows"]
    rows = stored_table(run, summary["c_table"]["path"])["data"]
    assert rows == [[1, "one", 1.0], [2, "one", 2.5], [1, "two", 3.0], [2, "two", 4.0]]


def test_the_process_draws_without_torch():
    code = (
        "import sys\n"
        "from unittest.mock import Mock\n"
        "from seq2seq_lab.training.logger.wandb_messages import perform\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"run, message = Mock(), {attention()!r}\n"
        "perform(run, {**message, 'index': 3})\n"
        "((logged,), settings) = run.log.call_args\n"
        "print(list(logged), settings, 'torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "['attention_by_epoch/1'] {'step': 3} False"
