"""How Lightning's checkpoints reach the disk: whole or not at all, self-contained, with a checksum beside them."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import CheckpointIO

from seq2seq_lab.files import sidecar_of, verify, write_atomically, write_sidecar


class AtomicCheckpointIO(CheckpointIO):
    """Adds what a checkpoint needs to stand alone (config and tokenizers) and saves it atomically."""

    def __init__(self, contents: dict[str, Any]):
        self.contents = contents

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write the file, then its checksum."""
        if storage_options is not None:
            raise TypeError("storage options are not supported")
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = {**checkpoint, "seq2seq_lab": self.contents}

        def save(temporary: Path) -> None:
            torch.save(whole, temporary)
            sidecar_of(path).unlink(
                missing_ok=True
            )  # the new file is whole; only the rename is left

        write_atomically(path, save)
        write_sidecar(path, step=checkpoint["global_step"], epoch=checkpoint["epoch"])

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any = "cpu",
        weights_only: bool | None = True,  # noqa: ARG002, FBT001, FBT002
    ) -> dict[str, Any]:
        """Verify, then load tensors and plain values only."""
        verify(Path(path))
        return torch.load(path, map_location=map_location, weights_only=True)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint and its checksum."""
        Path(path).unlink(missing_ok=True)
        sidecar_of(Path(path)).unlink(missing_ok=True)
