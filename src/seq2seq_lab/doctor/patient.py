"""The composed model and the parts that train and decode it, at tiny sizes in float64, for the doctor to examine."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from seq2seq_lab.batch import Batch
from seq2seq_lab.config.build import build
from seq2seq_lab.config.check import check
from seq2seq_lab.config.compose import compose_config
from seq2seq_lab.config.resolve import resolve
from seq2seq_lab.config.vocabulary_sizes import fill_sizes
from seq2seq_lab.doctor.batches import Vocabularies, random_batch
from seq2seq_lab.doctor.random_weights import randomize
from seq2seq_lab.doctor.shrink import shrink, tiny_widths, without_dropout
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.model.encoder_decoder import EncoderDecoder

SOURCE_VOCAB, TARGET_VOCAB, NUM_FEATURES = 11, 13, 5
SOURCES, TARGETS = (4, 0, 2, 6), (2, 5, 0, 3)
"""Words of each sentence; with the end token the second source and the third target have one token."""


@dataclass(frozen=True)
class Patient:
    """A composed config, ready to be examined; `node` is the model's, `sizes` maps composed to tiny widths."""

    node: dict[str, Any]
    vocabularies: Vocabularies
    sizes: dict[int, int]
    search: Any
    loss: nn.Module
    scheduled_sampling: Any
    make_trainer: Callable[..., Any]
    seeds: tuple[int, ...]

    @cached_property
    def _model(self) -> EncoderDecoder:
        return build(self.node)

    def model(self, seed: int) -> EncoderDecoder:
        """Return the model with random weights in evaluation mode: one object, which each call gives other weights."""
        model = randomize(self._model, seed).eval()
        model.zero_grad()
        return model

    def training_model(self, seed: int, *, dropout: bool) -> EncoderDecoder:
        """Return the model with random weights in training mode, with its dropout or without."""
        node = self.node if dropout else without_dropout(self.node)
        return randomize(build(node), seed).train()

    def batch(self, seed: int) -> Batch:
        """Return random sentences of very different lengths."""
        return random_batch(SOURCES, TARGETS, self.vocabularies, seed)


def admit(overrides: list[str], seeds: tuple[int, ...]) -> Patient:
    """Compose a config as train.py does and shrink it. Raises `ConfigError` for a mistake; reads no data."""
    return admit_config(compose_config(overrides), seeds)


def admit_config(cfg: Any, seeds: tuple[int, ...]) -> Patient:
    """Check a composed config, fill in the sizes of small vocabularies and shrink the model."""
    check(cfg)
    tied = cfg.data.get("joint", False)
    sizes = Vocabularies(TARGET_VOCAB if tied else SOURCE_VOCAB, TARGET_VOCAB)
    if cfg.model.get("feature_encoder") is not None:
        sizes = Vocabularies(SOURCE_VOCAB + NUM_FEATURES, TARGET_VOCAB, NUM_FEATURES)
    fill_sizes(cfg.model, *sizes)
    run = resolve(cfg)
    node, widths = _tiny(run["model"])
    training = run["training"]
    trainer = {"_target_": training["trainer"]["_target_"]}
    return Patient(
        node=node,
        vocabularies=sizes,
        sizes=widths,
        search=build(run["decoding"]),
        loss=build(training["loss"]),
        scheduled_sampling=build(training["scheduled_sampling"]),
        make_trainer=lambda **settings: build({**trainer, **settings}),
        seeds=seeds,
    )


def _tiny(node: dict[str, Any]) -> tuple[dict[str, Any], dict[int, int]]:
    """Return the node with tiny widths, or as it is where a constructor refuses those."""
    small = shrink(node)
    try:
        build(small)
    except ConfigError:
        return node, {}
    return small, tiny_widths(node)
