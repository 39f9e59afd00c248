"""Loads a trained model (checkpoint, run folder, export, hf:// address) as a `Translator`: only tensors and text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from seq2seq_lab.errors import CheckpointError, ConfigError
from seq2seq_lab.files import sidecar_of
from seq2seq_lab.inference.checkpoint_file import MEAN, read_checkpoint
from seq2seq_lab.inference.hub import download, is_address
from seq2seq_lab.inference.stored_model import (
    CARD,
    FILES,
    MANIFEST,
    StoredModel,
    is_export,
    read_export,
    stored_model,
)
from seq2seq_lab.inference.stored_parts import build_model, build_stored, read_tokenizer
from seq2seq_lab.inference.translator import Translator
from seq2seq_lab.model.ensemble import Ensemble
from seq2seq_lab.threads import fit_to_machine
from seq2seq_lab.waiting import watch_others

EXPORT_FILES = (MANIFEST, CARD, *FILES, "encoder.onnx", "step.onnx")
RUN_FILES = (
    MEAN, "best.ckpt", "last.ckpt", "config.yaml", "manifest.json", "result.json", "data_report.json", "metrics.csv",
    "done.json", "log.txt",
)  # fmt: skip
RUN_FOLDERS = (
    "checkpoints", "hypotheses", "searches", "attention", "wandb", "tensorboard", "trackio",
)  # fmt: skip


@dataclass(frozen=True)
class Trained:
    """A translator with the config and the languages of its run."""

    translator: Translator
    config: dict[str, Any]
    source_language: str
    target_language: str


def find_checkpoint(path: Path) -> Path:
    """Return the checkpoint file itself, or of a run folder the mean of the last ones, else the best, else the last."""
    if path.is_file():
        return path
    if not path.exists():
        raise CheckpointError(f"{path}: no such checkpoint or run folder")
    if (path / MEAN).is_file():
        return path / MEAN
    for name in ("best.ckpt", "last.ckpt"):
        for folder in (path / "checkpoints", path):
            if (folder / name).is_file():
                return folder / name
    raise CheckpointError(f"{path}: no checkpoints/best.ckpt or last.ckpt in this folder")


def input_files(path: str | Path) -> list[Path]:
    """Return the files that belong to a checkpoint and its run, or an exported folder: no output may replace them.

    They are named here, so that an output of one's own may lie in such a folder and be written again.
    """
    if is_address(path):
        return []
    path = Path(path)
    if not path.is_dir():
        is_in_run = path.parent.name == "checkpoints" and path.exists()
        return [path, sidecar_of(path), *(input_files(path.parent) if is_in_run else [])]
    run = path.parent if path.name == "checkpoints" else path
    known = [place / name for place in (path, run) for name in (*EXPORT_FILES, *RUN_FILES)]
    return [*known, *(file for part in RUN_FOLDERS for file in run.glob(f"{part}/**/*"))]


def check_device(device: str) -> None:
    """Refuse a device that this machine or PyTorch does not have."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ValueError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"--device {device}: cannot be used ({reason}); try cpu or cuda"
        ) from error


def read_model(path: str | Path) -> StoredModel:
    """Read a checkpoint, the best one of a run folder, an exported folder, or one of the hub (hf://USER/REPO)."""
    path = download(str(path)) if is_address(path) else Path(path)
    if is_export(path):
        return read_export(path)
    file = find_checkpoint(path)
    checkpoint = read_checkpoint(file)
    stored = stored_model(checkpoint["seq2seq_lab"], checkpoint.get("state_dict"), file)
    weights = {
        name.removeprefix("model."): tensor
        for name, tensor in stored.weights.items()
        if name.startswith("model.")
    }
    return replace(stored, weights=weights)


def load(path: str | Path, *, device: str = "cpu", ensemble: Sequence[str | Path] = ()) -> Trained:
    """Load a trained model with its tokenizers and search; with `ensemble`, several models as one.

    Raises `CheckpointError` if what is read is damaged, or the models of an ensemble do not share their tokenizers.
    """
    check_device(device)
    fit_to_machine()
    watch_others()
    first = read_model(path)
    model, limit = build_model(first, path), first.max_source_tokens
    if ensemble:
        others = [(other, read_model(other)) for other in ensemble]
        for name, other in others:
            _check_same_vocabulary(path, first, name, other)
        limit = min([limit, *(other.max_source_tokens for _, other in others)])
        model = Ensemble([model, *(build_model(other, name) for name, other in others)])
    translator = Translator(
        model=model.to(device).eval(),
        source_tokenizer=read_tokenizer(first, "source", path),
        target_tokenizer=read_tokenizer(first, "target", path),
        decoding=build_stored(first.config["decoding"], path, "decoding"),
        max_source_tokens=limit,
    )
    return Trained(translator, first.config, first.source_language, first.target_language)


def _check_same_vocabulary(
    path: str | Path, first: StoredModel, name: str | Path, other: StoredModel
) -> None:
    for side in ("source", "target"):
        prints = [
            read_tokenizer(one, side, place).fingerprint()
            for one, place in ((first, path), (other, name))
        ]
        if prints[0] != prints[1]:
            raise CheckpointError(
                f"{name}: its {side} tokenizer ({prints[1][:12]}) is not that of {path} ({prints[0][:12]}); models of "
                "an ensemble must have the same vocabularies, so train them on the same data"
            )
