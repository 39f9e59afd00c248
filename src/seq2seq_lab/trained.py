"""A trained model from disk: checkpoint or run folder -> `Translator`. Nothing but tensors and text is loaded."""

import pickle
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seq2seq_lab.config import build
from seq2seq_lab.data.tokenizer import tokenizer_from_json
from seq2seq_lab.errors import CheckpointError, ConfigError, UnsafeError
from seq2seq_lab.files import verify
from seq2seq_lab.training.translator import Translator

_PICKLE_STARTS = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))


@dataclass(frozen=True)
class Trained:
    """A translator with the facts of its training run."""

    translator: Translator
    config: dict[str, Any]
    source_language: str
    target_language: str


def find_checkpoint(path: Path) -> Path:
    """Return the checkpoint file itself, or the best (else the last) one of a run folder."""
    if path.is_file():
        return path
    if not path.exists():
        raise CheckpointError(f"{path}: no such checkpoint or run folder")
    for name in ("best.ckpt", "last.ckpt"):
        for folder in (path / "checkpoints", path):
            if (folder / name).is_file():
                return folder / name
    raise CheckpointError(f"{path}: no checkpoints/best.ckpt or last.ckpt in this folder")


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


def check_device(device: str) -> None:
    """Refuse a device that this machine or PyTorch does not have."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ValueError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"--device {device}: cannot be used ({reason}); try cpu or cuda"
        ) from error


def load(path: str | Path, *, device: str = "cpu") -> Trained:
    """Build the model of a checkpoint's own config and give it the stored weights."""
    check_device(device)
    file = find_checkpoint(Path(path))
    checkpoint = read_checkpoint(file)
    contents = checkpoint["seq2seq_lab"]
    config = contents["config"]
    model = build(config["model"])
    weights = {
        name.removeprefix("model."): tensor
        for name, tensor in checkpoint["state_dict"].items()
        if name.startswith("model.")
    }
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"{file}: the weights do not fit the stored config") from error
    translator = Translator(
        model=model.to(device).eval(),
        source_tokenizer=tokenizer_from_json(contents["source_tokenizer"]),
        target_tokenizer=tokenizer_from_json(contents["target_tokenizer"]),
        decoding=build(config["decoding"]),
        max_source_tokens=config["data"]["length_filter"]["max_source_tokens"],
    )
    return Trained(translator, config, contents["source_language"], contents["target_language"])
