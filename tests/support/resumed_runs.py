"""A small run of the command line to stop and resume, and what must not depend on that."""

import csv
import json
from pathlib import Path

import torch

from seq2seq_lab.inference.checkpoint_file import read_checkpoint

RUN = (
    "debug=tiny", "data=copy", "data.max_length=5", "data.corpus.num_train=16", "data.corpus.num_val=8",
    "data.corpus.num_test=8", "data.batching.batch_size=4", "model.dropout=0.3", "training/logger=csv",
    "training/scheduled_sampling/schedule=constant", "training/scheduled_sampling=parallel",
    "training/callback=[bleu,early_stopping,checkpoint]", "training.callback.checkpoint.every_n_minutes=0.0001",
)  # fmt: skip
"""Two epochs of four steps, saved before every step."""


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def ends_like(folder: Path, alone: Path) -> None:
    """Demand the same result, rows, hypotheses and final weights."""
    assert json.loads((folder / "result.json").read_text()) == json.loads(
        (alone / "result.json").read_text()
    )
    assert rows(folder) == rows(alone)
    for name in ("val", "test"):
        path = f"hypotheses/{name}.jsonl"
        assert (folder / path).read_bytes() == (alone / path).read_bytes()
    one, other = (read_checkpoint(f / "checkpoints" / "last.ckpt") for f in (folder, alone))
    assert one["global_step"] == other["global_step"] == 8
    for name, weight in one["state_dict"].items():
        assert torch.equal(weight, other["state_dict"][name]), name
