"""Checkpoint files: safe reading, and the newest undamaged one of a run."""

import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import torch

from seq2seq_lab.errors import CheckpointError, UnsafeError
from seq2seq_lab.files import sidecar_of, verify

_PICKLE_STARTS = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))


def _is_bare_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) in _PICKLE_STARTS


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Verify the checksum, then load tensors and plain values; anything else is refused."""
    verify(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of PyTorch about odd pickles: the error says it
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        text = str(error)
        if "Unsupported global" in text or "Unsupported class" in text or _is_bare_pickle(path):
            raise UnsafeError(
                f"{path}: refused, it holds objects that are neither tensors nor plain values"
            ) from error
        raise CheckpointError(f"{path}: not a checkpoint of seq2seq-lab") from error
    except (
        OSError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        IndexError,
        UnicodeDecodeError,
    ) as error:
        raise CheckpointError(f"{path}: not a checkpoint, or damaged") from error
    if not isinstance(checkpoint, dict) or "seq2seq_lab" not in checkpoint:
        raise CheckpointError(
            f"{path}: not a checkpoint of seq2seq-lab (no config and tokenizers in it)"
        )
    return checkpoint


def step_of(path: Path) -> int:
    """Return the step of a checkpoint, from its checksum file if there is one."""
    try:
        return int(json.loads(sidecar_of(path).read_text(encoding="utf-8"))["step"])
    except (OSError, ValueError, KeyError, TypeError):
        return int(read_checkpoint(path)["global_step"])


def _freshness(path: Path) -> tuple[float, bool, int]:
    """Sort key: the step, then `last` before others; without a checksum file (killed while saving) the newest."""
    try:
        step = float(step_of(path)) if sidecar_of(path).exists() else float("inf")
    except CheckpointError:
        step = -1.0
    return step, path.name == "last.ckpt", path.stat().st_mtime_ns


def newest_whole(folder: Path) -> tuple[Path | None, list[str]]:
    """Return the newest undamaged checkpoint of a folder, and the errors of the newer ones."""
    wrong: list[str] = []
    for path in sorted(folder.glob("*.ckpt"), key=_freshness, reverse=True):
        try:
            read_checkpoint(path)
        except (CheckpointError, UnsafeError) as error:
            wrong.append(str(error))
            continue
        return path, wrong
    return None, wrong
