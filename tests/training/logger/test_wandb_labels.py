"""Names, groups, tags and choices: what W&B's pages sort runs by."""

import itertools
import json

import pytest

from seq2seq_lab.training.logger import wandb_labels as module
from seq2seq_lab.training.logger.wandb_labels import (
    Labels,
    choices_by_short_name,
    labels,
    with_choices,
)

NOTHING = Labels("", None, "", [])
CHOICES = {
    "data": "numbers",
    "data/tokenizer": "word",
    "data/tokenizer@data.target_tokenizer": "character",
    "model": "lstm_attn",
    "model/attention": "dot",
    "model/decoder/norm": "rms",
    "model/encoder/norm": "layer",
}


def run_folder(folder, *overrides, sweep=None, command=None, choices=CHOICES):
    """Return a folder with the manifest of such a run."""
    folder.mkdir(exist_ok=True)
    facts = {"choices": choices, "overrides": list(overrides), "sweep": sweep}
    facts["command"] = list(overrides) if command is None else command
    (folder / "manifest.json").write_text(json.dumps(facts))
    return folder


def found(folder, *overrides, name="lstm_attn_numbers", seed=3, **facts):
    return labels(NOTHING, run_folder(folder, *overrides, **facts), {"name": name, "seed": seed})


def test_a_name_holds_seed_and_overrides_in_short_form(tmp_path):
    words = ("model=lstm_attn", "data=numbers", "seed=3", "training.optimizer.lr=0.001", "+x.y=[1]")
    assert found(tmp_path, *words).name == "lstm_attn_numbers-s3 lr=0.001 y=[1]"


def test_a_key_whose_last_part_is_not_unique_is_written_whole(tmp_path):
    words = ("model.dim=8", "model.encoder.dim=16", "model/cell=gru", "~training.callback.progress")
    name = found(tmp_path, *words).name
    end = "model.dim=8 model.encoder.dim=16 cell=gru ~training.callback.progress"
    assert name == f"lstm_attn_numbers-s3 {end}"


def test_a_name_of_the_users_own_does_not_hide_model_and_data(tmp_path):
    words = ("name=mine", "model=lstm", "data=numbers")
    assert found(tmp_path, *words, name="mine").name == "mine-s3 model=lstm data=numbers"


def test_where_a_run_is_recorded_is_no_part_of_its_name(tmp_path):
    words = ("run_dir=/tmp/x", "training/logger=wandb", "training.logger.wandb.mode=offline")
    one = found(tmp_path, *words)
    assert (one.name, one.tags) == ("lstm_attn_numbers-s3", ["lstm_attn", "numbers"])


def test_a_sweep_is_the_group_and_a_single_run_has_none(tmp_path):
    assert found(tmp_path).group is None
    assert found(tmp_path, sweep="2026-11-28_10-00-00").group == "sweep 2026-11-28_10-00-00"


def test_tags_are_model_data_and_overrides_each_as_long_as_wandb_takes(tmp_path):
    tags = found(tmp_path, "training.optimizer.lr=0.1", f"data.path={'x' * 100}").tags
    assert tags[:3] == ["lstm_attn", "numbers", "lr=0.1"]
    assert [len(tag) for tag in tags[3:]] == [64]


def test_what_a_sweep_chose_comes_first(tmp_path):
    words = ("data.max_pairs=9", "training.optimizer.lr=0.1", "model.dim=8")
    command = ["-m", "data.max_pairs=9", "training.optimizer.lr=0.1,0.2", "model.dim=8,16"]
    name = found(tmp_path, *words, sweep="s", command=command).name
    assert name == "lstm_attn_numbers-s3 lr=0.1 dim=8 max_pairs=9"


def grid_names(folder, *keys):
    """Return the names of a sweep over two values of each key, with an override before them that is long."""
    names = []
    for number, values in enumerate(itertools.product("12", repeat=len(keys))):
        words = [f"data.path={'x' * 120}"]
        words += [f"{key}={value}" for key, value in zip(keys, values, strict=True)]
        folder_of_run = folder / str(number)
        facts = {"sweep": "s", "command": [f"{key}=1,2" for key in keys]}
        seed = int(dict(zip(keys, values, strict=True)).get("seed", 1))
        names.append(found(folder_of_run, *words, seed=seed, **facts).name)
    return names


@pytest.mark.parametrize(
    "keys", [("seed", "model.dim"), ("model.encoder.dim", "model.decoder.dim"), ("run_dir",)]
)
def test_runs_of_a_sweep_have_distinct_names_even_where_they_are_cut(tmp_path, keys):
    names = grid_names(tmp_path, *keys)
    assert len(set(names)) == 2 ** len(keys)
    assert max(map(len, names)) == 128


def test_planted_names_cut_without_a_hash_are_not_distinct(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_cut", lambda text, longest: text[:longest])
    assert len(set(grid_names(tmp_path, "model.encoder.dim", "model.decoder.dim"))) == 1


def test_what_the_user_chose_wins(tmp_path):
    chosen = Labels("mine", "my group", "eval", ["a"])
    folder = run_folder(tmp_path, "model.dim=8", sweep="s")
    assert labels(chosen, folder, {"name": "x", "seed": 1}) == chosen


def test_a_folder_without_manifest_gives_name_and_seed(tmp_path):
    plain = labels(NOTHING, tmp_path, {"name": "x", "seed": 1})
    assert plain == Labels("x-s1", None, "train", [])
    assert labels(NOTHING, tmp_path, {"name": "x-report"}).name == "x-report"


def test_choices_have_short_names_where_these_are_unique():
    assert choices_by_short_name(CHOICES) == {
        "data": "numbers",
        "tokenizer": "word",
        "target_tokenizer": "character",
        "model": "lstm_attn",
        "attention": "dot",
        "model/decoder/norm": "rms",
        "model/encoder/norm": "layer",
    }


def test_no_name_of_a_choice_holds_a_dot():
    found = choices_by_short_name({"a/norm@x.y": "one", "b/norm@z.y": "two"})
    assert found == {"a/norm@x/y": "one", "b/norm@z/y": "two"}


def test_choices_stand_beside_the_resolved_config(tmp_path):
    folder = run_folder(tmp_path)
    assert with_choices({"seed": 1}, folder) == {
        "seed": 1,
        "choices": choices_by_short_name(CHOICES),
    }
    assert with_choices({"seed": 1}, tmp_path / "nowhere") == {"seed": 1}
