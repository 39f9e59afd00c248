"""The checkpoint plugin: writes each checkpoint atomically, self-contained, sealed, with a checksum file."""

import io
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import CheckpointIO

from seq2seq_lab.files import sha256_of, sidecar_of, write_atomically, write_json
from seq2seq_lab.inference.checkpoint_file import read_checkpoint
from seq2seq_lab.inference.checkpoint_seal import seal


class AtomicCheckpointIO(CheckpointIO):
    """Adds what a checkpoint needs to stand alone (config, tokenizers, seal) and saves it atomically."""

    def __init__(self, contents: dict[str, Any]):
        self.contents = contents

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write the file, then its checksum.

        All bytes are made in memory first: their number and checksum are known before the disk is touched, and the
        file is read again before it takes the old one's place.
        """
        if storage_options is not None:
            raise TypeError("storage options are not supported")
        path = Path(path)
        buffer = io.BytesIO()
        torch.save({**checkpoint, "seq2seq_lab": self.contents}, buffer)
        facts = {"step": checkpoint["global_step"], "epoch": checkpoint["epoch"]}
        checksum = seal(buffer, **facts)
        whole = buffer.getbuffer()

        def write(temporary: Path) -> None:
            temporary.write_bytes(whole)
            if sha256_of(temporary) != checksum:
                raise OSError(f"the disk did not keep what was written to {temporary.name}")

        path.parent.mkdir(parents=True, exist_ok=True)
        # A kill between rename and checksum leaves a sealed file without one, never one with a wrong one.
        forget = sidecar_of(path)
        write_atomically(
            path, write, just_before=lambda: forget.unlink(missing_ok=True), size=len(whole)
        )
        write_json(forget, {"sha256": checksum, "bytes": len(whole), **facts})

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any = "cpu",  # noqa: ARG002
        weights_only: bool | None = True,  # noqa: ARG002, FBT001, FBT002
    ) -> dict[str, Any]:
        """Verify, then load tensors and plain values only."""
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint and its checksum."""
        Path(path).unlink(missing_ok=True)
        sidecar_of(Path(path)).unlink(missing_ok=True)
