"""A model card says what the run measured, reads as the hub reads it, and says less where less is known."""

import json
import re
import shutil

import pytest

from seq2seq_lab.inference.model_card import card, run_of
from seq2seq_lab.inference.trained import read_model
from seq2seq_lab.metrics.interval import bootstrap_interval
from seq2seq_lab.metrics.table import METRICS
from support.in_process_command import learned
from support.small_runs import rows


@pytest.fixture(scope="module")
def text():
    run = learned()
    return card(read_model(run), 1234, run_of(run), "lab/copy")


def header(text):
    """Return the header as the hub's library reads it, imported here: it takes the folder of its cache at that time."""
    from huggingface_hub import ModelCard

    return ModelCard(text).data


def test_the_hub_reads_its_header(text):
    found = header(text)
    assert found.library_name == "seq2seq-lab"
    assert found.language is None  # the copy task is in none
    numbers = json.loads((learned() / "result.json").read_text())
    by_name = {one.metric_name: one for one in found.eval_results}
    assert set(by_name) == {row.label for row in METRICS.values()}
    assert by_name["chrF"].metric_value == pytest.approx(numbers["test/chrf"], abs=1e-4)
    assert by_name["chrF"].dataset_type == "copy"


def test_each_number_has_its_interval_and_signature(text):
    stored = rows(learned() / "hypotheses" / "test.jsonl")
    texts = [[row[key] for row in stored] for key in ("hypothesis", "reference")]
    low, high = bootstrap_interval("bleu", *texts, tokenize="13a")
    line = next(line for line in text.splitlines() if line.startswith("| BLEU |"))
    assert f"| {low:.2f} to {high:.2f} | `nrefs:1\\|case:mixed" in line


def test_it_says_what_it_was_trained_on_and_how(text):
    manifest = json.loads((learned() / "manifest.json").read_text())
    for sha in manifest["data"].values():
        assert f"`{sha}`" in text
    assert "1,234 parameters" in text
    assert "| seed | 1 |" in text
    assert manifest["code"]["commit"] in text or manifest["code"]["commit"] is None
    assert "seq2seq-lab train " in text
    assert str(learned().parent) not in text
    assert 'seq2seq-lab translate hf://lab/copy --text "..."' in text


def test_its_tables_are_whole(text):
    tables = [part for part in text.split("\n\n") if part.startswith("| ")]
    assert len(tables) == 4
    for table in tables:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.strip().split("\n")}
        assert len(widths) == 1, table


def test_a_translation_names_its_languages_and_its_data_set():
    run = run_of(learned())
    assert run is not None
    stored = read_model(learned())
    object.__setattr__(stored, "source_language", "de-AT")
    object.__setattr__(stored, "target_language", "en")
    commit = "a" * 40
    run.data["origin"] = {
        "repository": "a/b",
        "config": "de-en",
        "commit": commit,
        "splits": {"test": "t"},
    }
    found = header(card(stored, 1, run, None))
    assert (found.language, found.datasets, found.pipeline_tag) == (
        ["de", "en"],
        ["a/b"],
        "translation",
    )
    assert {one.dataset_revision for one in found.eval_results} == {commit}
    assert {one.dataset_split for one in found.eval_results} == {"t"}


def test_a_checkpoint_without_its_run_has_no_numbers(tmp_path):
    shutil.copy(learned() / "checkpoints" / "best.ckpt", tmp_path / "mine.ckpt")
    assert run_of(tmp_path / "mine.ckpt") is None
    assert run_of(learned() / "checkpoints" / "last.ckpt") is None
    assert run_of(learned() / "checkpoints" / "best.ckpt") is not None
    found = card(read_model(learned()), 1, None, None)
    assert "## Evaluation" not in found
    assert "translate FOLDER" in found
    assert header(found).eval_results is None
