"""Checkpoint files: safe reading, and the newest undamaged one of a run."""

import contextlib
import json
import pickle
import pickletools
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from seq2seq_lab.errors import CheckpointError, UnsafeError, one_line
from seq2seq_lab.files import sidecar_of, verify, write_sidecar
from seq2seq_lab.inference.checkpoint_seal import Seal, check_seal, read_seal, stored_plainly

MEAN = "mean.ckpt"
"""In a run folder: the mean of its last checkpoints, which was tested in place of the best one."""
_ZIP = b"PK\x03\x04"
_PICKLE_STARTS = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))
_TRUSTED_MODULES = ("torch", "collections")
"""What a pickle of tensors and plain values may name; PyTorch narrows it down to single functions."""
_CALLS_BY_TEXT = {"STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"}
"""Names of classes written in ways that `torch.save` never uses."""


def verify_checkpoint(path: Path) -> Seal | None:
    """Prove that the bytes are those that were written: by the seal inside, and by the checksum file if there is one.

    Returns the seal; None of a file without one. Raises `CheckpointError` for damage, `UnsafeError` for a bare pickle.
    """
    try:
        verify(path)
        with path.open("rb") as file:
            start = file.read(4)
        if start != _ZIP:
            if start[:2] in _PICKLE_STARTS:
                raise _unsafe(path, "a bare pickle")
            raise CheckpointError(f"{path}: not a checkpoint of seq2seq-lab")
        return check_seal(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error


def read_checkpoint(
    path: Path, way_out: str = "repeat the command with {}, the newest whole one beside it"
) -> dict[str, Any]:
    """Verify the file, then load tensors and plain values; anything else is refused.

    The error of a damaged file ends with `way_out`, where {} is the newest whole checkpoint beside it.
    """
    try:
        return _read(path)
    except CheckpointError as error:
        whole, _ = newest_whole(path.parent, but=path)
        if whole is None:
            raise
        raise CheckpointError(f"{error}; {way_out.format(whole)}") from error


def _read(path: Path) -> dict[str, Any]:
    verify_checkpoint(path)
    _refuse_code(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of PyTorch about odd pickles: the error says it
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _unsafe(path, "objects that are neither tensors nor plain values") from error
    except MemoryError:
        raise
    except Exception as error:  # whatever odd bytes make PyTorch raise
        raise CheckpointError(
            f"{path}: not a checkpoint of seq2seq-lab ({one_line(error)[:100]})"
        ) from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("seq2seq_lab"), dict):
        raise CheckpointError(
            f"{path}: not a checkpoint of seq2seq-lab (no config and tokenizers in it)"
        )
    return checkpoint


def _unsafe(path: Path, what: str) -> UnsafeError:
    return UnsafeError(f"{path}: refused, it holds {what}: loading it could run foreign code")


def _refuse_code(path: Path) -> None:
    """Read the names in the archive's pickle without running it; refuse all that are not PyTorch's."""
    try:
        with zipfile.ZipFile(path) as archive:
            if not stored_plainly(archive, path):
                raise CheckpointError(f"{path}: not a checkpoint: its archive is compressed")
            names = [n for n in archive.namelist() if n.endswith("/data.pkl")]
            text = archive.read(names[0]) if len(names) == 1 else b""
        operations = [*pickletools.genops(text)]
    except (ValueError, OSError, RuntimeError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: not a checkpoint of seq2seq-lab") from error
    for operation, argument, _ in operations:
        is_foreign = operation.name == "GLOBAL" and (
            str(argument).split(" ")[0].split(".")[0] not in _TRUSTED_MODULES
        )
        if is_foreign or operation.name in _CALLS_BY_TEXT:
            raise _unsafe(path, "objects that are neither tensors nor plain values")


def stated_step(path: Path) -> int | None:
    """Return the step that the seal states, else the checksum file; None if neither can be read."""
    with contextlib.suppress(CheckpointError, OSError):
        if (found := read_seal(path)) is not None:
            return found.step
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        return int(json.loads(sidecar_of(path).read_text(encoding="utf-8"))["step"])
    return None


def step_of(path: Path) -> int:
    """Return the step of a checkpoint: as it is stated, else from within."""
    step = stated_step(path)
    return int(_read(path)["global_step"]) if step is None else step


def _freshness(path: Path) -> tuple[float, bool, int]:
    """Sort key: the step, then `last` before others, then the time; a file that states no step counts as newest."""
    step = stated_step(path)
    newest = float("inf") if step is None else float(step)
    return newest, path.name == "last.ckpt", path.stat().st_mtime_ns


def newest_whole(folder: Path, *, but: Path | None = None) -> tuple[Path | None, list[str]]:
    """Return the newest undamaged checkpoint of a folder, and the errors of the newer ones; `but` is left out."""
    wrong: list[str] = []
    files = [p for p in folder.glob("*.ckpt") if p.is_file() and p != but]
    for path in sorted(files, key=_freshness, reverse=True):
        try:
            _read(path)
        except (CheckpointError, UnsafeError) as error:
            wrong.append(str(error))
            continue
        return path, wrong
    return None, wrong


def repair_sidecars(folder: Path) -> None:
    """Write the checksum files that a kill between a checkpoint and its checksum left out."""
    for path in folder.glob("*.ckpt"):
        if path.is_file() and not sidecar_of(path).exists():
            try:
                found = verify_checkpoint(path)
            except (CheckpointError, UnsafeError):
                continue
            if found is not None:
                write_sidecar(path, step=found.step, epoch=found.epoch)
