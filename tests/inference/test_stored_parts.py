"""A checkpoint whose inside is wrong: one line that names it, before memory is taken."""

from dataclasses import replace

import pytest
import torch

from seq2seq_lab.errors import CheckpointError, ResourceError, UnsafeError
from seq2seq_lab.inference import stored_parts
from seq2seq_lab.inference.stored_parts import build_model, read_tokenizer
from seq2seq_lab.inference.trained import read_model
from support.small_runs import tiny_run


@pytest.fixture(scope="module")
def stored():
    return read_model(tiny_run())


def with_weights(stored, change):
    weights = {name: weight.clone() for name, weight in stored.weights.items()}
    change(weights, next(name for name, w in weights.items() if w.is_floating_point()))
    return replace(stored, weights=weights)


def with_model(stored, **keys):
    return replace(stored, config={**stored.config, "model": {**stored.config["model"], **keys}})


def test_a_whole_one_is_built(stored):
    assert not build_model(stored, "a.ckpt").training


WEIGHTS = {
    "one missing": lambda weights, name: weights.pop(name),
    "one more": lambda weights, name: weights.update(more=torch.zeros(2)),
    "another shape": lambda weights, name: weights.update({name: torch.zeros(3, 1, 2)}),
    "whole numbers": lambda weights, name: weights.update({name: weights[name].long()}),
    "not finite": lambda weights, name: weights[name].fill_(torch.nan),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_do_not_fit_are_refused(stored, name):
    with pytest.raises(CheckpointError, match=r"^a\.ckpt: the weights do not fit"):
        build_model(with_weights(stored, WEIGHTS[name]), "a.ckpt")


@pytest.mark.parametrize(
    ("node", "error"),
    [
        ({"_target_": "os.system", "command": "true"}, UnsafeError),
        ({"_target_": "seq2seq_lab.model.cell.NoSuchCell"}, CheckpointError),
        ({}, CheckpointError),
        ({"_target_": 3}, CheckpointError),
    ],
)
def test_a_config_that_describes_no_model_is_refused(stored, node, error):
    other = replace(stored, config={**stored.config, "model": node})
    with pytest.raises(error, match=r"^a\.ckpt: "):
        build_model(other, "a.ckpt")


def test_a_model_larger_than_memory_is_refused_before_it_is_made(stored, monkeypatch):
    monkeypatch.setattr(stored_parts, "available_bytes", lambda: 1000)
    with pytest.raises(ResourceError, match=r"a model of [\d,]+ bytes, 1,000 are free"):
        build_model(stored, "a.ckpt")


def test_a_million_layers_end_at_once(stored):
    encoder = {**stored.config["model"]["encoder"], "num_layers": 10**6}
    with pytest.raises(CheckpointError, match="num_layers=1000000"):
        build_model(with_model(stored, encoder=encoder), "a.ckpt")


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"class": "WordTokenizer"}', "[" * 5000])
def test_a_tokenizer_that_is_none_is_refused(stored, text):
    with pytest.raises(CheckpointError, match=r"^a\.ckpt: "):
        read_tokenizer(replace(stored, source_tokenizer=text), "source", "a.ckpt")


def test_a_tokenizer_of_another_size_than_the_model_expects_is_refused(stored):
    other = with_model(stored, source_vocab_size=3)
    with pytest.raises(CheckpointError, match=r"source tokenizer has \d+ tokens, its model 3"):
        read_tokenizer(other, "source", "a.ckpt")
