"""Whole commands in processes of their own: the six models of a sweep with their W&B files, and equal seeds."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

from support.small_runs import ROOT, run_command, run_script


def result_of(path: Path) -> dict[str, float]:
    return json.loads((path / "result.json").read_text())


def config_of(path: Path) -> dict:
    return yaml.safe_load((path / "config.yaml").read_text())


# O20


TRAIN_AND_HASH = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from support.small_runs import small, trainer, weights_hash
parts = small("model.dropout=0.3", "data.num_workers=" + sys.argv[3], "training/scheduled_sampling/schedule=constant")
trainer(Path(sys.argv[2])).fit(parts.module, datamodule=parts.data)
print(weights_hash(parts.module), parts.data.report["tokenizers"]["source"])
"""


@pytest.mark.parametrize("count", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_fresh_processes_give_the_same_weights(tmp_path, count):
    found = set()
    situations = [
        ("0", "0", "C.UTF-8", "UTC"),
        ("1", "2", "C", "Asia/Tokyo"),
        ("77", "0", "C", "UTC"),
    ]
    script = tmp_path / "hash.py"
    script.write_text(TRAIN_AND_HASH)
    for hash_seed, workers, locale, zone in situations[:count]:
        variables = {"PYTHONHASHSEED": hash_seed, "LC_ALL": locale, "TZ": zone}
        done = run_script(str(script), ROOT / "tests", tmp_path, workers, cwd=tmp_path, **variables)
        assert done.returncode == 0, done.stderr.decode()
        found.add(done.stdout)
    assert len(found) == 1


def test_planted_other_seed_gives_other_weights():
    from support.small_runs import small, weights_hash

    assert weights_hash(small(seed=2).module) != weights_hash(small(seed=1).module)


# the command line, in a process of its own


THREE = ("rnn", "lstm", "gru_attn")
SIX = ("rnn", "gru", "lstm", "rnn_attn", "gru_attn", "lstm_attn")


def read_back(run: Path) -> dict:
    line = [sys.executable, "-m", "wandb", "leet", "inspect", "--summary", "--json", str(run)]
    return json.loads(subprocess.run(line, capture_output=True, check=True, text=True).stdout)


@pytest.fixture(
    scope="module", params=[THREE, pytest.param(SIX, marks=pytest.mark.slow)], ids=["three", "six"]
)
def sweep(tmp_path_factory, request):
    """A sweep over three of the models, in `make slow` over six: folder, process and models."""
    folder, models = tmp_path_factory.mktemp("sweep"), ",".join(request.param)
    done = run_command("train", "-m", f"model={models}", "debug=tiny", cwd=folder, timeout=280)
    return folder, done, request.param


def wandb_run(folder: Path, model: str) -> tuple[Path, Path]:
    (run,) = (folder / "outputs" / f"{model}_numbers").iterdir()
    (offline,) = (run / "wandb").glob("offline-run-*")
    return run, offline


def test_a_sweep_over_six_models_finishes_all(sweep):
    folder, done, models = sweep
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    for model in models:
        run, _ = wandb_run(folder, model)
        assert "test/bleu" in result_of(run)


@pytest.mark.parametrize("model", ["lstm", "gru_attn"])
def test_the_wandb_run_holds_config_metrics_samples_and_pictures(sweep, model):
    run, offline = wandb_run(sweep[0], model)
    found = read_back(offline)
    assert found["config"]["model"]["dim"] == 16
    assert (
        found["config"]["training"]["optimizer"]["lr"]
        == config_of(run)["training"]["optimizer"]["lr"]
    )
    assert found["summary"]["val/bleu"] == pytest.approx(result_of(run)["val/bleu"])
    assert found["summary"]["test/bleu"] == pytest.approx(result_of(run)["test/bleu"])
    table = json.loads((offline / "files" / found["summary"]["samples"]["path"]).read_text())
    assert table["columns"] == ["epoch", "source", "reference", "hypothesis", "score"]
    assert len(table["data"]) == 8
    pictures = [found["summary"][n] for n in found["summary"] if re.fullmatch(r"attention/\d+", n)]
    assert len(pictures) == (3 if model.endswith("attn") else 0)
    for entry in pictures:
        with Image.open(offline / "files" / entry["path"]) as picture:
            picture.verify()


def test_the_command_line_ends_with_the_table(sweep):
    _, done, models = sweep
    out = done.stdout.decode()
    assert out.count("Run folder:") == len(models)
    assert out.count("Test translations") == len(models)
    assert "seq2seq-lab translate" in out
