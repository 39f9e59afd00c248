"""A command line is composed once, and what Hydra runs is what it would have composed itself."""

import sys

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.types import RunMode
from omegaconf import OmegaConf

from seq2seq_lab.config.compose import compose_config, session
from seq2seq_lab.config.launch import launch
from seq2seq_lab.config.overrides import check_overrides
from seq2seq_lab.errors import ConfigError
from support.miniature_conf import write


@pytest.fixture(scope="module")
def conf(tmp_path_factory):
    return write(tmp_path_factory.mktemp("loader"))


LINES = [
    [],
    ["model=wide", "model.dim=9", "+model.widths=[1,2]", "seed=4"],
    ["experiment=good", "~training/logger", "hydra.verbose=false", "++run_dir=x"],
    ["model/attention=dot", "training/optimizer=sgd", "training.optimizer.lr=0.3", "~traceback"],
]


@pytest.mark.parametrize("line", LINES, ids=map(" ".join, LINES))
def test_what_is_kept_is_what_hydra_composes(conf, line):
    with session(str(conf)) as opened:
        check_overrides(opened, line)
        load = opened.loader.load_configuration
        kept, fresh = (load("train", line, RunMode.RUN) for _ in range(2))
    assert OmegaConf.to_yaml(kept) == OmegaConf.to_yaml(fresh)
    assert (kept, kept._get_flag("struct")) == (fresh, fresh._get_flag("struct"))
    assert kept is not fresh


@pytest.mark.parametrize("mistake", [[], ["model.dmi=3"], ["model=wied", "sed=1"]])
def test_a_command_line_is_composed_once(conf, monkeypatch, capsys, mistake):
    calls = []
    compose = ConfigLoaderImpl.load_configuration

    def counted(*arguments, **named):
        calls.append(arguments)
        return compose(*arguments, **named)

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", counted)
    monkeypatch.setattr(sys, "argv", ["train.py", "model=wide", "seed=3", *mistake])
    monkeypatch.chdir(conf.parent)
    seen = []
    assert launch(lambda cfg: seen.append(cfg.seed), conf) == (2 if mistake else 0)
    assert seen == ([] if mistake else [3])
    assert len(calls) == 1
    capsys.readouterr()


def test_an_addition_beside_a_whole_list_is_refused_and_not_lost():
    """Hydra composes it without the addition and without a word."""
    overrides = ["training/callback=[bleu,checkpoint]", "+training/callback=recent_checkpoints"]
    with pytest.raises(
        ConfigError, match=r"recent_checkpoints: would be lost beside .*into that list"
    ):
        compose_config(overrides)
    assert "recent_checkpoints" in compose_config(overrides[1:]).training.callback
