"""A small model and a small copy task, put together from the real configs without a run folder."""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seq2seq_lab.config.build import build
from seq2seq_lab.config.compose import compose
from seq2seq_lab.doctor.runs import QUIET

TINY_MODEL = ("model.dim=16", "model.embedding_dim=8")
SMALL_COPY = (
    "data=copy",
    "data.vocab_size=6",
    "data.min_length=1",
    "data.max_length=9",
    "data.corpus.num_train=24",
    "data.corpus.num_val=10",
    "data.corpus.num_test=10",
    "data.batching.batch_size=4",
)


@dataclass
class Parts:
    """What training puts together: the Lightning module, the data module and the resolved config."""

    module: Any
    data: Any
    run: dict[str, Any]


@functools.cache
def _composed(*overrides: str) -> str:
    return json.dumps(compose(list(overrides)))


def _with_sizes(node: dict[str, Any], sizes: dict[str, int], side: str) -> dict[str, Any]:
    """Fill in the vocabulary sizes that only the tokenizers know; what lies in the encoder is the source's.

    `text` is the source's size without features.
    """
    filled: dict[str, Any] = {}
    for key, value in node.items():
        if value == "???":
            filled[key] = sizes.get(key.partition("_")[0], sizes[side])
        elif isinstance(value, dict):
            filled[key] = _with_sizes(value, sizes, "source" if key == "encoder" else side)
        else:
            filled[key] = value
    return filled


def assemble(*overrides: str, seed: int = 1) -> Parts:
    """Build data and module of the config that the overrides compose."""
    from seq2seq_lab.training import session  # Lightning: seconds to import

    torch.manual_seed(seed)
    run = json.loads(_composed(*overrides))
    data = build(run["data"])
    data.setup()
    source, target, features = data.vocabulary_sizes
    sizes = {"source": source, "target": target, "text": source - features}
    run["model"] = _with_sizes(run["model"], sizes, "target")
    model = build(run["model"])
    parts = {name: build(run["training"][name]) for name in session.PARTS}
    translator = session.make_translator(model, data, build(run["decoding"]))
    return Parts(session.Seq2SeqModule(model, **parts, translator=translator, seed=seed), data, run)


def small(*overrides: str, seed: int = 1) -> Parts:
    """Return a small attention model for a small copy task."""
    return assemble(*SMALL_COPY, *TINY_MODEL, *overrides, seed=seed)


def trainer(folder: Path, callbacks: Sequence[Any] = (), **settings: Any) -> Any:
    """Return a quiet trainer on the CPU that writes into the folder."""
    from seq2seq_lab.training import session

    session.start(1)
    settings = {**QUIET, "default_root_dir": str(folder), **settings}
    return build({"_target_": "pytorch_lightning.Trainer"}, callbacks=list(callbacks), **settings)
