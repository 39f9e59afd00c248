"""The file contract of a run, and the properties that need whole runs."""

import csv
import datetime
import json
import subprocess
from pathlib import Path

import pytest
import sacrebleu
import torch
import yaml
from PIL import Image

from seq2seq_lab.files import sha256_of, sidecar_of
from seq2seq_lab.model.kernel.linear import mkl_has_intel_kernels
from seq2seq_lab.training import run_folder as folders
from support.small_runs import ROOT, rows, run_folder, tiny_run, train

FEW = (
    "debug=tiny", "data=copy", "data.max_pairs=8", "data.corpus.num_train=16", "data.corpus.num_val=8",
    "data.corpus.num_test=8", "training.trainer.max_epochs=1", "training/logger=csv",
)  # fmt: skip


def result_of(path: Path) -> dict[str, float]:
    return json.loads((path / "result.json").read_text())


def metrics_of(path: Path) -> list[dict[str, str]]:
    with (path / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def config_of(path: Path) -> dict:
    return yaml.safe_load((path / "config.yaml").read_text())


# the run folder


def test_run_dir_chooses_the_folder_and_everything_is_in_it():
    names = {p.name for p in tiny_run().iterdir()}
    assert names == {
        "config.yaml", "manifest.json", "data_report.json", "metrics.csv", "result.json",
        "hypotheses", "attention", "exposure_bias", "checkpoints",
    }  # fmt: skip


def test_the_config_is_resolved():
    text = (tiny_run() / "config.yaml").read_text()
    assert "${" not in text
    assert "???" not in text
    assert config_of(tiny_run())["model"]["encoder"]["dim"] == 16


def test_the_manifest_says_what_ran():
    manifest = json.loads((tiny_run() / "manifest.json").read_text())
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert manifest["code"]["commit"] == (commit.stdout.strip() or None)
    assert manifest["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert manifest["seed"] == 1
    assert set(manifest["data"]) == {"train", "val", "test"}
    hashes = [*manifest["data"].values(), *manifest["tokenizers"].values()]
    assert all(len(value) == 64 for value in hashes)
    assert manifest["hardware"]["cores"] >= 1
    assert manifest["hardware"]["torch_threads"] == torch.get_num_threads()
    assert manifest["hardware"]["instructions"] == torch.backends.cpu.get_cpu_capability()
    assert manifest["hardware"]["mkl_has_intel_kernels"] is mkl_has_intel_kernels()
    datetime.datetime.fromisoformat(manifest["started"])


def test_the_data_hash_is_that_of_the_text():
    import hashlib

    manifest = json.loads((tiny_run() / "manifest.json").read_text())
    found = rows(tiny_run() / "hypotheses" / "test.jsonl")
    text = "".join(f"{r['source']}\n{r['reference']}\n" for r in found)
    assert manifest["data"]["test"] == hashlib.sha256(text.encode()).hexdigest()


def test_results_are_flat_names_and_numbers():
    result = result_of(tiny_run())
    assert all(isinstance(value, int | float) for value in result.values())
    wanted = {"bleu", "bleu_tok_lc", "chrf", "exact_match", "loss", "perplexity"}
    assert {f"{split}/{name}" for split in ("val", "test") for name in wanted} <= set(result)
    assert "train/exact_match" not in result


def test_metrics_over_time_hold_every_step_and_validation():
    found = metrics_of(tiny_run())
    steps = [int(r["step"]) for r in found if r["train/loss"]]
    assert steps == list(range(8))
    assert len([r for r in found if r["val/bleu"]]) >= 2


def test_hypotheses_are_one_line_per_test_pair_in_order():
    found = rows(tiny_run() / "hypotheses" / "test.jsonl")
    assert [r["id"] for r in found] == list(range(64))
    assert all(list(r) == ["id", "source", "reference", "hypothesis", "score"] for r in found)
    assert all(r["source"] == r["reference"] for r in found)  # the copy task


def test_attention_pictures_are_drawn():
    pictures = sorted((tiny_run() / "attention").iterdir())
    assert [p.name for p in pictures] == ["1.png", "2.png", "3.png"]
    for path in pictures:
        with Image.open(path) as picture:
            picture.verify()


def test_a_model_without_attention_has_no_pictures():
    path = run_folder(*FEW, "model=lstm")
    assert list((path / "attention").iterdir()) == []
    assert result_of(path)["test/loss"] > 0


@pytest.mark.parametrize("name", ["best", "last"])
def test_checkpoints_are_loaded_as_plain_tensors(name):
    path = tiny_run() / "checkpoints" / f"{name}.ckpt"
    found = torch.load(path, weights_only=True)
    assert found["seq2seq_lab"]["source_language"] == "zxx"
    assert json.loads(sidecar_of(path).read_text())["sha256"] == sha256_of(path)


def test_the_tested_checkpoint_is_the_best_of_validation():
    path = run_folder(
        *FEW, "training.trainer.max_epochs=4", "training.optimizer.lr=0.3", "data.monitor=val/chrf"
    )
    seen = [float(r["val/chrf"]) for r in metrics_of(path) if r["val/chrf"]][:4]
    assert result_of(path)["val/chrf"] == pytest.approx(max(seen), abs=1e-4)


def test_overfitting_scores_on_the_training_pairs():
    settings = (
        "data.max_pairs=8",
        "training.trainer.max_epochs=2",
        "training.trainer.check_val_every_n_epoch=1",
    )
    path = run_folder("debug=overfit", "data=toy_zh_en", "model.dim=16", *settings)
    result = result_of(path)
    assert result["train/exact_match"] == result["test/exact_match"]
    report = json.loads((path / "data_report.json").read_text())
    assert report["splits"]["train"]["sha256"] == report["splits"]["test"]["sha256"]


# O16


@pytest.fixture(scope="module")
def numbers_run() -> Path:
    return run_folder("debug=tiny", "data.max_numbers=1", "data.corpus.num_train=100")


def stored_files_give_the_stored_numbers(path: Path, result: dict[str, float]) -> None:
    """O16: sacreBLEU, run on what is stored, gives what is stored."""
    found = rows(path / "hypotheses" / "test.jsonl")
    hypotheses, references = [r["hypothesis"] for r in found], [[r["reference"] for r in found]]
    language = json.loads((path / "data_report.json").read_text())["languages"][1]
    tokenize = "zh" if language == "zh" else "13a"
    assert (
        result["test/bleu"]
        == sacrebleu.corpus_bleu(hypotheses, references, tokenize=tokenize).score
    )
    lower = sacrebleu.corpus_bleu(hypotheses, references, tokenize=tokenize, lowercase=True).score
    assert result["test/bleu_tok_lc"] == lower
    assert result["test/chrf"] == sacrebleu.corpus_chrf(hypotheses, references).score
    exact = 100 * sum(h == r for h, r in zip(hypotheses, references[0], strict=True)) / len(found)
    assert result["test/exact_match"] == pytest.approx(exact, abs=1e-12)


def test_stored_files_give_the_stored_numbers(numbers_run):
    stored_files_give_the_stored_numbers(numbers_run, result_of(numbers_run))


def test_stored_files_of_another_language_give_the_stored_numbers():
    stored_files_give_the_stored_numbers(tiny_run(), result_of(tiny_run()))


def test_planted_mean_of_sentence_scores_is_caught(numbers_run):
    found = rows(numbers_run / "hypotheses" / "test.jsonl")
    scores = [
        sacrebleu.sentence_bleu(r["hypothesis"], [r["reference"]], tokenize="zh").score
        for r in found
    ]
    planted = {**result_of(numbers_run), "test/bleu": sum(scores) / len(scores)}
    with pytest.raises(AssertionError):
        stored_files_give_the_stored_numbers(numbers_run, planted)


def test_planted_32_bit_numbers_are_caught(numbers_run):
    result = result_of(numbers_run)
    planted = {**result, "test/chrf": float(torch.tensor(result["test/chrf"]))}
    with pytest.raises(AssertionError):
        stored_files_give_the_stored_numbers(numbers_run, planted)


# names of folders


def test_the_default_folder_is_named_by_model_data_time_and_hash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = {"name": "gru_copy", "run_dir": None, "seed": 1}
    path = folders.make_run_folder(config)
    assert path.parent == Path("outputs/gru_copy")
    time, _, digest = path.name.rpartition("_")
    datetime.datetime.strptime(time, "%Y-%m-%d_%H-%M-%S")
    assert digest == folders.config_hash(config)
    assert len(digest) == 8


def test_starts_in_the_same_second_get_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = {"name": "gru_copy", "run_dir": None}
    paths = {folders.make_run_folder(config) for _ in range(20)}
    assert len(paths) == 20


def test_a_run_without_run_dir_goes_to_outputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train(*FEW, "model=gru") == 0
    (path,) = (tmp_path / "outputs" / "gru_copy").iterdir()
    assert (path / "result.json").exists()


def test_a_used_folder_is_refused(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text("")
    assert train(*FEW, f"run_dir={tmp_path}") == 2
    assert "holds a run already" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["config.yaml"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path, capsys):
    (tmp_path / "run").write_text("")
    assert train(*FEW, f"run_dir={tmp_path / 'run'}") == 2
    assert "is a file" in capsys.readouterr().err


# short keys


SHORT = [
    ("seed=3", ["seed", "data.seed"], 3),
    ("model.dim=20", ["model.encoder.dim", "model.decoder.dim", "model.decoder.readout.dim"], 20),
    ("model.num_layers=2", ["model.encoder.num_layers", "model.decoder.num_layers"], 2),
    ("training.optimizer.lr=0.5", ["training.optimizer.lr"], 0.5),
    ("training.trainer.max_epochs=3", ["training.trainer.max_epochs"], 3),
    ("data.source_language=fr", ["data.corpus.source_language"], "fr"),
    ("data.target_language=fr", ["data.corpus.target_language"], "fr"),
]


@pytest.mark.parametrize(("override", "places", "value"), SHORT, ids=[s[0] for s in SHORT])
def test_a_short_key_reaches_every_place(override, places, value):
    from seq2seq_lab.config.compose import compose

    cfg = compose([override])
    for place in places:
        found = cfg
        for key in place.split("."):
            found = found[key]
        assert found == value, place


FILE_KEYS = [
    ("table_file", "data.path=a.tsv", "path", "a.tsv"),
    ("tatoeba", "data.path=cmn.txt", "path", "cmn.txt"),
    ("multi30k", "data.root=folder", "root", "folder"),
    ("text_files", "data.train=[a.de,a.en]", "train", ["a.de", "a.en"]),
    ("text_files", "data.val=[a.de,a.en]", "val", ["a.de", "a.en"]),
    ("text_files", "data.test=[a.de,a.en]", "test", ["a.de", "a.en"]),
]


@pytest.mark.parametrize(("data", "override", "key", "value"), FILE_KEYS)
def test_a_short_key_of_files_reaches_the_corpus(data, override, key, value):
    from seq2seq_lab.config.compose import compose

    assert compose([f"data={data}", override])["data"]["corpus"][key] == value


def test_the_short_keys_change_the_run(tmp_path):
    keys = (
        "model.dim=20",
        "model.num_layers=2",
        "training.optimizer.lr=0.5",
        "training.trainer.max_epochs=3",
    )
    path = run_folder(*FEW, *keys)
    weights = torch.load(path / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert {"model.decoder.output.weight"} <= set(weights)
    assert weights["model.decoder.output.weight"].shape[1] == 20
    result = result_of(path)
    assert result["train/epochs"] == 3
    assert 0 < result["train/lr"] <= 0.5
