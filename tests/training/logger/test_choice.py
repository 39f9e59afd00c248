"""Which loggers a config chooses: one, several or none, each under its name."""

import json

import pytest

from seq2seq_lab.config.check import check
from seq2seq_lab.config.compose import compose, compose_config
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.report.wandb_place import logger_of
from seq2seq_lab.study.content_hash import content_hash

ONE = {"project": "p", "mode": "offline"}


@pytest.mark.parametrize(
    ("override", "names"),
    [
        ("training/logger=wandb", ["wandb"]),
        ("training/logger=[wandb,tensorboard]", ["wandb", "tensorboard"]),
        ("training/logger=[wandb,trackio]", ["wandb", "trackio"]),
        ("training.logger.wandb=null", ["wandb"]),
        ("training/logger=[]", []),
        ("training.logger=null", []),
        ("~training/logger", []),
    ],
)
def test_one_several_or_no_loggers_may_be_chosen(override, names):
    cfg = compose_config([override])
    check(cfg)
    assert list(compose([override])["training"].get("logger") or {}) == names


def test_the_key_of_before_several_loggers_is_told_with_its_new_place():
    with pytest.raises(ConfigError, match=r"did you mean training\.logger\.wandb\.mode\?"):
        compose(["training.logger.mode=online"])


def test_a_logger_written_without_a_name_is_told():
    node = "{_target_: seq2seq_lab.training.logger.csv_metrics.OnlyCsv}"
    cfg = compose_config(["training.logger=null", f"++training.logger={node}"])
    with pytest.raises(ConfigError, match=r"training\.logger: holds several parts"):
        check(cfg)


def test_runs_of_before_several_loggers_keep_their_content_hash_and_their_project(tmp_path):
    now = compose(["data=copy"])
    before = {**now, "training": {**now["training"], "logger": ONE}}
    assert content_hash(before) == content_hash(now)
    folder = tmp_path / "runs" / "a"
    folder.mkdir(parents=True)
    for node in (ONE, {"tensorboard": {}, "wandb": ONE}):
        (folder / "config.yaml").write_text(json.dumps({"training": {"logger": node}}))
        assert logger_of(tmp_path) == ONE
