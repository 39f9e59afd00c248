"""What the tests keep of Hydra's compositions equals a fresh one, and each caller has its own."""

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from seq2seq_lab.config.compose import compose_config
from support.composition_memo import stored

OVERRIDES = ["model=gru_attn", "data=copy", "seed=3"]


def composed() -> tuple[str, str]:
    """Return the job's config and Hydra's own."""
    job = OmegaConf.to_yaml(compose_config(OVERRIDES))
    return job, OmegaConf.to_yaml(HydraConfig.instance().cfg.hydra)


def test_a_stored_composition_equals_a_fresh_one(monkeypatch, tmp_path):
    compose_config(OVERRIDES)
    monkeypatch.chdir(tmp_path)
    found = composed()
    whole, file = ConfigLoaderImpl.load_configuration, ConfigRepository.load_config
    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", whole.__wrapped__.__wrapped__)
    monkeypatch.setattr(ConfigRepository, "load_config", file.__wrapped__)
    assert composed() == found
    assert str(tmp_path) in found[1]


def each_caller_has_its_own(keep) -> None:
    calls = []
    function = keep(lambda key: calls.append(key) or [key], lambda key: key or None)
    function("a").append("changed")
    assert function("a") == ["a"]
    assert [function(""), function("")] == [[""], [""]]
    assert calls == ["a", "", ""]


def test_each_caller_has_its_own():
    each_caller_has_its_own(stored)


def test_planted_memo_that_hands_out_what_it_keeps_is_caught():
    def shared(function, key_of):
        kept = {}
        return lambda key: kept.setdefault(key, function(key)) if key_of(key) else function(key)

    with pytest.raises(AssertionError):
        each_caller_has_its_own(shared)
