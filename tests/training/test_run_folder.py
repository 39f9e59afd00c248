import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from seq2seq_lab.errors import ConfigError, ResourceError
from seq2seq_lab.threads import usable_cores
from seq2seq_lab.training.run_folder import (
    add_to_manifest,
    config_hash,
    make_run_folder,
    write_result,
    write_start,
)

CONFIG = {
    "name": "gru_toy",
    "run_dir": None,
    "seed": 1,
    "logger": {"mode": "offline"},
    "model": {"dim": 7},
    "training": {"logger": None},
}
DATA = {
    "splits": {"train": {"sha256": "aa", "pairs": 3}},
    "tokenizers": {"source": "bb", "target": "cc"},
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_an_unnamed_run_gets_a_folder_of_its_own_under_outputs():
    folder = make_run_folder(CONFIG)
    assert folder.is_dir()
    assert folder.parts[:2] == ("outputs", "gru_toy")
    assert folder.name.endswith(config_hash(CONFIG))


def twenty_starts_get_twenty_folders() -> None:
    with ThreadPoolExecutor(20) as pool:
        folders = list(pool.map(lambda _: make_run_folder(CONFIG), range(20)))
    assert len(set(folders)) == 20


def test_twenty_starts_in_a_second_get_twenty_folders():
    twenty_starts_get_twenty_folders()


def test_planted_reuse_of_a_folder_is_caught(monkeypatch):
    from seq2seq_lab.training import run_folder

    def reuse(path):
        path.mkdir(parents=True, exist_ok=True)
        return path

    monkeypatch.setattr(run_folder, "_claim_new", reuse)
    with pytest.raises(AssertionError):
        twenty_starts_get_twenty_folders()


def test_a_named_folder_is_made_with_its_parents(tmp_path):
    assert make_run_folder({**CONFIG, "run_dir": str(tmp_path / "a" / "b")}).is_dir()


def test_a_folder_that_holds_a_run_is_refused(tmp_path):
    (tmp_path / "config.yaml").write_text("old")
    with pytest.raises(ConfigError, match="holds a run already"):
        make_run_folder({**CONFIG, "run_dir": str(tmp_path)})


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        make_run_folder({**CONFIG, "run_dir": str(tmp_path / "a")})


def test_a_newline_in_the_name_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="control characters"):
        make_run_folder({**CONFIG, "run_dir": str(tmp_path / "a\nb")})


def test_a_name_too_long_for_the_disk_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="over 200 bytes"):
        make_run_folder({**CONFIG, "run_dir": str(tmp_path / ("a" * 300))})


def test_a_folder_that_the_disk_refuses_is_one_plain_error(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(ResourceError, match="run_dir: cannot create a folder"):
        make_run_folder({**CONFIG, "run_dir": str(tmp_path / "a" / "b")})


@pytest.mark.parametrize("name", ["../../x", "/absolute/x"])
def test_a_name_that_leaves_the_outputs_is_refused(name):
    with pytest.raises(ConfigError, match="would leave outputs/"):
        make_run_folder({**CONFIG, "name": name})


def test_the_hash_names_the_settings_and_not_the_place():
    moved = {**CONFIG, "run_dir": "elsewhere", "training": {"logger": {"mode": "online"}}}
    assert config_hash(moved) == config_hash(CONFIG)
    assert config_hash({**CONFIG, "seed": 2}) != config_hash(CONFIG)
    assert config_hash(dict(reversed(CONFIG.items()))) == config_hash(CONFIG)


def test_the_start_of_a_run_is_on_disk(tmp_path):
    write_start(tmp_path, CONFIG, "name: gru_toy\n", DATA)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "attention", "checkpoints", "config.yaml", "data_report.json", "hypotheses", "manifest.json"
    ]  # fmt: skip
    assert manifest["config_hash"] == config_hash(CONFIG)
    assert manifest["data"] == {"train": "aa"}
    assert manifest["tokenizers"] == DATA["tokenizers"]
    assert manifest["versions"]["torch"]
    assert manifest["hardware"]["cores"] == usable_cores()
    assert json.loads((tmp_path / "data_report.json").read_text()) == DATA


def test_facts_of_the_job_and_later_ones_stand_in_the_manifest(tmp_path):
    write_start(tmp_path, CONFIG, "name: gru_toy\n", DATA, job={"overrides": ["seed=3"]})
    add_to_manifest(tmp_path, {"wandb": {"id": "a1"}})
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert (manifest["overrides"], manifest["wandb"]) == (["seed=3"], {"id": "a1"})
    assert manifest["name"] == CONFIG["name"]


def test_results_are_sorted_and_what_is_not_finite_is_null(tmp_path):
    write_result(
        tmp_path, {"val/loss": float("nan"), "test/bleu": 33.5, "val/perplexity": float("inf")}
    )
    stored = json.loads((tmp_path / "result.json").read_text())
    assert list(stored.items()) == [
        ("test/bleu", 33.5),
        ("val/loss", None),
        ("val/perplexity", None),
    ]
