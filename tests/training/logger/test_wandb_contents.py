"""What a real sweep leaves in W&B, read back: names, choices, hypotheses, curves, attention pictures and artifacts."""

import base64
import hashlib
import json
import os
import subprocess
import sys

import pytest
from sacrebleu.metrics import BLEU

from seq2seq_lab.metrics.table import METRICS
from support.small_runs import TINY_RUN, rows, train
from support.wandb_files import (
    artifacts,
    contents,
    history,
    offline_run,
    overview,
    stored_table,
    text_of,
)
from support.wandb_server import serve

SMALL = (
    "data.corpus.num_val=8",
    "data.corpus.num_test=8",
    "training.trainer.limit_train_batches=2",
)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """The run folders of a sweep over two learning rates."""
    folder = tmp_path_factory.mktemp("sweep")
    fixed = [word for word in TINY_RUN if not word.startswith("training.optimizer.lr=")]
    swept = "training.optimizer.lr=0.02,0.03"
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("WANDB")]:
            patch.delenv(name)
        patch.setenv("HOME", str(folder / "home"))
        patch.chdir(folder)
        assert train("-m", *fixed, *SMALL, swept, "training/logger=wandb") == 0
    found = sorted(path.parent for path in folder.glob("outputs/*/*/result.json"))
    assert len(found) == 2
    return found


@pytest.fixture(scope="module")
def run(sweep):
    return offline_run(sweep[0])


@pytest.fixture(scope="module")
def summary(run):
    return overview(run)["summary"]


def validations(folder):
    """Return how many validations there were."""
    lines = (folder / "metrics.csv").read_text(encoding="utf-8").splitlines()
    column = lines[0].split(",").index("val/bleu")
    return sum(bool(line.split(",")[column]) for line in lines[1:])


def test_the_runs_of_a_sweep_have_distinct_names_one_group_and_tags(sweep):
    found = [overview(offline_run(folder)) for folder in sweep]
    names = [run["name"] for run in found]
    assert [name[:25] for name in names] == [f"lstm_attn_copy-s1 lr=0.0{i}" for i in (2, 3)]
    (group,) = {contents(offline_run(folder), "run")[0]["run_group"] for folder in sweep}
    assert group.startswith("sweep 20")
    for run in found:
        assert {"lstm_attn", "copy", "debug=tiny"} < set(run["tags"])


def test_the_choices_stand_in_the_config(run):
    choices = overview(run)["config"]["choices"]
    assert (choices["model"], choices["data"], choices["cell"]) == ("lstm_attn", "copy", "lstm")
    assert not [name for name in choices if "." in name]


def test_the_table_of_hypotheses_is_the_file_with_sentence_scores(sweep, run, summary):
    entry = summary["test/hypotheses"]
    table = stored_table(run, entry["path"])
    stored = rows(sweep[0] / "hypotheses" / "test.jsonl")
    assert table["columns"] == [*stored[0], *METRICS]
    assert [row[:5] for row in table["data"]] == [list(row.values()) for row in stored]
    bleu, exact = (table["columns"].index(name) for name in ("bleu", "exact_match"))
    library = BLEU(effective_order=True)
    for row, line in zip(stored, table["data"], strict=True):
        expected = library.sentence_score(row["hypothesis"], [row["reference"]]).score
        assert line[bleu] == pytest.approx(expected)
        assert line[exact] == 100.0 * (row["hypothesis"] == row["reference"])


@pytest.mark.parametrize("split", ["val", "test"])
def test_the_curves_are_those_of_the_exposure_bias_file(sweep, run, summary, split):
    entry = summary[f"exposure_bias/{split}_by_position_table"]
    table = stored_table(run, entry["path"])
    stored = json.loads((sweep[0] / "exposure_bias" / f"{split}.json").read_text())["loss"]
    found = {ratio: {} for ratio in stored}
    for position, line, loss in table["data"]:
        found[line.removeprefix("teacher-forcing ratio ")][position] = loss
    assert [list(found[ratio].values()) for ratio in stored] == list(stored.values())
    assert list(found["1"]) == list(range(1, 1 + len(stored["1"])))


def test_the_scores_by_source_length_are_a_chart(sweep, run, summary):
    table = stored_table(run, summary["test/by_source_length_table"]["path"])
    numbers = json.loads((sweep[0] / "result.json").read_text())
    found = [value for _, line, value in table["data"] if line == METRICS["exact_match"].label]
    assert found == [numbers[f"test/exact_match_length_q{i}"] for i in (1, 2, 3, 4)]


def test_each_validation_has_its_attention_pictures_and_they_differ(sweep, run):
    rows = history(run)
    for name in ("attention_by_epoch/1", "attention_by_epoch/2"):
        found = [row for row in rows if f"{name}.sha256" in row or name in row]
        pictures = [row.get(f"{name}.path") or row[name]["path"] for row in found]
        assert len(pictures) == validations(sweep[0])
        content = [(run / "files" / path).read_bytes() for path in pictures]
        assert len(set(content[:2])) == 2


def test_the_model_is_an_artifact_by_reference_with_its_checksum(sweep, run):
    model = artifacts(run)["model-lstm_attn_copy"]
    manifest = json.loads((sweep[0] / "manifest.json").read_text())
    best = sweep[0] / "checkpoints" / "best.ckpt"
    (entry,) = model["manifest"]["contents"]
    digest = base64.b64encode(hashlib.md5(best.read_bytes()).digest()).decode()
    assert (entry["ref"], entry["digest"]) == (best.resolve().as_uri(), digest)
    assert set(model["aliases"]) == {"latest", manifest["config_hash"]}
    assert not model.get("use_after_commit")
    metadata = json.loads(model["metadata"])
    numbers = json.loads((sweep[0] / "result.json").read_text())
    assert metadata["config_hash"] == manifest["config_hash"]
    assert metadata["metrics"]["test/bleu"] == pytest.approx(numbers["test/bleu"])


def test_data_and_tokenizers_are_inputs_of_the_run(sweep, run):
    found = artifacts(run)
    manifest = json.loads((sweep[0] / "manifest.json").read_text())
    data, tokenizers = found["data-copy"], found["tokenizers-copy"]
    assert data["use_after_commit"]
    assert tokenizers["use_after_commit"]
    splits = json.loads(text_of(data["manifest"]["contents"][0]))
    assert {name: one["sha256"] for name, one in splits.items()} == manifest["data"]
    texts = {one["path"]: one for one in tokenizers["manifest"]["contents"]}
    assert set(texts) == {"source.json", "target.json"}
    assert json.loads(text_of(texts["source.json"]))["class"].endswith("Tokenizer")


def test_runs_on_the_same_data_share_its_artifacts_and_have_models_of_their_own(sweep):
    every = [artifacts(offline_run(folder)) for folder in sweep]
    for name, expected in (("data-copy", 1), ("tokenizers-copy", 1), ("model-lstm_attn_copy", 2)):
        assert len({found[name]["digest"] for found in every}) == expected


def test_inputs_and_outputs_of_offline_runs_are_their_lineage_after_wandb_sync(sweep, tmp_path):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("WANDB")}
    line = [sys.executable, "-m", "wandb", "sync", "--yes"]
    with serve() as server:
        environment = {**clean, "HOME": str(tmp_path), **server.environment}
        for folder in sweep:
            words = [*line, str(offline_run(folder))]
            subprocess.run(
                words, env=environment, cwd=tmp_path, capture_output=True, check=True, timeout=120
            )
    runs = list(server.records.runs.values())
    assert len(runs) == 2
    models = []
    for run in runs:
        assert set(run.used) == {"data-copy:v0", "tokenizers-copy:v0"}
        models += [label for label in run.logged if label.startswith("model-")]
    assert sorted(models) == ["model-lstm_attn_copy:v0", "model-lstm_attn_copy:v1"]
    assert server.records.artifact("data-copy").metadata["splits"]["train"]["pairs"] == 64
