"""Checkpoint averaging: the mean of each parameter over the last checkpoints of one run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seq2seq_lab.config.keys import leaves
from seq2seq_lab.errors import CheckpointError, ConfigError, UserError
from seq2seq_lab.inference.checkpoint_file import read_checkpoint, step_of
from seq2seq_lab.inference.stored_model import stored_model

SAME = ("model", "data", "seed")
"""Parts of the config that must be equal; the length of training and the name may differ."""


def mean_of_weights(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of each floating tensor, summed in 64 bits; other tensors must agree.

    Raises `ValueError` if names, shapes or whole numbers differ.
    """
    first = states[0]
    mean: dict[str, Tensor] = {}
    for name, tensor in first.items():
        if any(s.keys() != first.keys() or s[name].shape != tensor.shape for s in states):
            raise ValueError(f"{name}: the checkpoints do not have the same weights")
        if tensor.is_floating_point():
            total = torch.zeros_like(tensor, dtype=torch.float64)
            for state in states:
                total += state[name]
            mean[name] = (total / len(states)).to(tensor.dtype)
        elif all(torch.equal(state[name], tensor) for state in states):
            mean[name] = tensor
        else:
            raise ValueError(f"{name}: whole numbers that differ have no mean")
    return mean


def average(paths: Sequence[Path]) -> dict[str, Any]:
    """Return a checkpoint with the mean weights of these, without the state that only training needs.

    Raises `CheckpointError` if they are not of one config with the same tokenizers.
    """
    checkpoints = [_checked(read_checkpoint(path), path) for path in paths]
    contents = [checkpoint["seq2seq_lab"] for checkpoint in checkpoints]
    for path, other in zip(paths, contents, strict=True):
        different = _difference(contents[0], other)
        if different:
            raise CheckpointError(
                f"{path}: its {different} differs from that of {paths[0]}; only checkpoints of one run can be averaged"
            )
    try:
        weights = mean_of_weights([checkpoint["state_dict"] for checkpoint in checkpoints])
    except ValueError as error:
        raise CheckpointError(f"{paths[0]} and others: {error}") from error
    last = max(checkpoints, key=lambda checkpoint: checkpoint["global_step"])
    return {
        "state_dict": weights,
        "global_step": last["global_step"],
        "epoch": last["epoch"],
        "pytorch-lightning_version": last.get("pytorch-lightning_version", ""),
        "averaged_steps": sorted(checkpoint["global_step"] for checkpoint in checkpoints),
        "seq2seq_lab": last["seq2seq_lab"],
    }


def _checked(checkpoint: dict[str, Any], path: Path) -> dict[str, Any]:
    """Refuse a checkpoint that lacks what an average needs, or whose numbers are not finite."""
    stored = stored_model(checkpoint["seq2seq_lab"], checkpoint.get("state_dict"), path)
    for key in ("global_step", "epoch"):
        if type(checkpoint.get(key)) is not int:
            raise CheckpointError(f"{path}: its {key} is no whole number; use another checkpoint")
    for name, tensor in stored.weights.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{path}: {name} is not finite; leave this checkpoint out")
    return checkpoint


def check_output(path: Path, shown: str) -> None:
    """Refuse to replace what is no average, and a place among the checkpoints of a run, which would be read as one."""
    if path.parent.name == "checkpoints" and (path.parent.parent / "config.yaml").exists():
        raise ConfigError(
            f"{shown}: lies among the checkpoints of a run, where resume=auto and --last take it for one of training; "
            "choose another folder"
        )
    if not path.exists():
        return
    try:
        is_average = path.is_file() and "averaged_steps" in read_checkpoint(path)
    except UserError:
        is_average = False
    if not is_average:
        raise ConfigError(
            f"{shown}: exists and is no average of checkpoints; choose another file, or delete it first"
        )


def _difference(first: dict[str, Any], other: dict[str, Any]) -> str | None:
    """Name the first part of two checkpoints that differs but must not."""
    one, two = (leaves({key: c["config"].get(key) for key in SAME}) for c in (first, other))
    for key in dict.fromkeys([*one, *two]):
        if one.get(key) != two.get(key):
            return f"config ({key})"
    for name in ("source_tokenizer", "target_tokenizer"):
        if first[name] != other[name]:
            return name.replace("_", " ")
    return None


def last_checkpoints(run: Path, count: int) -> list[Path]:
    """Return the `count` checkpoints of a run with the highest steps, oldest first; of equal steps one."""
    folder = run / "checkpoints" if (run / "checkpoints").is_dir() else run
    by_step: dict[int, Path] = {}
    for path in sorted(folder.glob("*.ckpt"), reverse=True):
        by_step[step_of(path)] = path
    chosen = [by_step[step] for step in sorted(by_step)[-count:]]
    if len(chosen) < count:
        raise CheckpointError(
            f"{folder}: {len(chosen)} different checkpoints, {count} wanted; store more of them in training with "
            "+training/callback=recent_checkpoints"
        )
    return chosen
