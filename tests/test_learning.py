"""O23: what a sound model learns, and what a crippled one cannot."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seq2seq_lab.decoding.beam import Beam
from seq2seq_lab.inference.trained import load
from support.small_runs import rows, run_folder, small, trainer

DIALS = (
    "data.vocab_size=12",
    "data.min_length=2",
    "data.max_length=7",
    "data.corpus.num_train=3000",
    "data.corpus.num_val=60",
    "data.corpus.num_test=200",
    "data.batching.batch_size=32",
    "model.dim=48",
    "model.embedding_dim=32",
    "model.dropout=0.0",
    "training.optimizer.lr=0.005",
    "training.trainer.max_epochs=8",
    "+training.callback.early_stopping.stopping_threshold=99.9",
    "decoding.max_ratio=1.0",
)


def bleu(path: Path) -> float:
    return json.loads((path / "result.json").read_text())["test/bleu"]


def attended(path: Path, count: int = 30) -> float:
    """Return the share of words at which the model looks most at the word that it writes."""
    texts = [r["source"] for r in rows(path / "hypotheses" / "test.jsonl")][:count]
    right = total = 0
    for text, found in zip(texts, load(path).translator.translate(texts), strict=True):
        looked = found.attention[: len(text.split())].argmax(dim=-1)
        right += int((looked == torch.arange(len(looked))).sum())
        total += len(looked)
    return right / total


@pytest.fixture(scope="module")
def copy() -> Path:
    return run_folder("data=copy", "model=gru_attn", *DIALS)


@pytest.mark.slow
def test_copying_is_learned(copy):
    assert bleu(copy) >= 99


@pytest.mark.slow
def test_attention_on_copying_is_diagonal(copy):
    assert attended(copy) >= 0.9


@pytest.mark.slow
def test_reversing_is_learned_with_attention():
    assert bleu(run_folder("data=reverse", "model=gru_attn", *DIALS)) >= 95


@pytest.mark.slow
def test_planted_uniform_attention_is_caught_in_reversing():
    """The bridge is closed too, so that the source reaches the decoder through attention alone."""
    crippled = ("model/attention=uniform", "model/bridge=zero")
    assert bleu(run_folder("data=reverse", "model=gru_attn", *DIALS, *crippled)) < 95


def overfitted_loss(folder: Path, *overrides: str) -> float:
    learning = ("training/lr_schedule=constant", "training.optimizer.lr=0.01", "model.dim=64")
    settings = (*learning, "data.corpus.num_train=32", "data.batching.batch_size=8")
    parts = small(*settings, "model.dropout=0.0", *overrides)
    engine = trainer(folder, max_epochs=90, gradient_clip_val=1.0, limit_val_batches=0)
    engine.fit(parts.module, datamodule=parts.data)
    return float(engine.callback_metrics["train/loss_epoch"])


@pytest.mark.parametrize(
    "model", [pytest.param("rnn_attn", marks=pytest.mark.slow), "gru", "lstm_attn"]
)
def test_32_pairs_are_learned_by_heart(tmp_path, model):
    assert overfitted_loss(tmp_path, f"model={model}") < 0.05


def test_planted_optimizer_that_does_nothing_is_caught(tmp_path):
    frozen = ("model=gru_attn", "training.optimizer.lr=1e-9")
    assert overfitted_loss(tmp_path, *frozen) > 0.05


def by_heart(*overrides: str) -> None:
    """`debug=overfit` goes on until the loss is small, so that a beam finds every pair too."""
    parts = "training/callback=[bleu,early_stopping,checkpoint]"
    path = run_folder("debug=overfit", "data=toy_zh_en", parts, *overrides)
    result = json.loads((path / "result.json").read_text())
    assert (result["val/loss"] < 0.01, result["train/exact_match"]) == (True, 100.0)
    pairs = rows(path / "hypotheses" / "test.jsonl")
    searcher = replace(load(path).translator, decoding=Beam(beam_size=3))
    found = searcher.translate([pair["source"] for pair in pairs])
    assert [t.text for t in found] == [pair["reference"] for pair in pairs]


def test_four_pairs_are_learned_by_heart_from_the_command_line():
    by_heart("model=rnn", "data.max_pairs=4")


@pytest.mark.slow
@pytest.mark.parametrize("model", ["rnn", "gru", "lstm", "rnn_attn"])
def test_all_toy_pairs_are_learned_by_heart(model):
    """Exact match of a plain RNN stands at 3 % for the first 60 epochs."""
    by_heart(f"model={model}")
