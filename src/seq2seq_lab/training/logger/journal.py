"""The journal of a logger: what a run has logged beside its metrics, kept to be sent again when the run is resumed."""

import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

from seq2seq_lab.files import write_text

PASSING = ("log", "define", "replay", "alert", "preempting", "finish")
"""Messages that it does not hold: metrics.csv has the rows, and the rest is of one session."""


class Journal:
    """Messages as JSON lines in <folder>/journal.jsonl, and copies of their pictures in <folder>/journal.

    It stays when the run is finished: a run that goes on for more epochs sends all of it again.
    """

    def __init__(self, folder: Path):
        self.path = folder / "journal.jsonl"
        self.pictures = folder / "journal"

    def add(self, line: str) -> None:
        """Append one message; what a kill leaves of a line is closed first, so that it spoils no other."""
        with self.path.open("ab+", buffering=0) as file:
            torn = b""
            if size := file.seek(0, os.SEEK_END):
                file.seek(size - 1)
                torn = b"" if file.read(1) == b"\n" else b"\n"
            file.write(torn + line.encode() + b"\n")

    def copy(self, picture: Path) -> Path:
        """Copy a picture as it is now: its writer may write it again before it is sent."""
        self.pictures.mkdir(parents=True, exist_ok=True)
        return shutil.copyfile(
            picture, self.pictures / f"{secrets.token_hex(8)}{Path(picture).suffix}"
        )

    def cut(self, num_rows: int) -> list[dict[str, Any]]:
        """Delete what came after these rows of metrics.csv, for it will be logged again; return the rest."""
        kept = [message for message in self._read() if message["index"] < num_rows]
        if self.path.exists():
            write_text(self.path, "".join(f"{json.dumps(message)}\n" for message in kept))
        needed = {Path(str(message.get("path"))).name for message in kept}
        for picture in self.pictures.glob("*"):
            if picture.name not in needed:
                picture.unlink(missing_ok=True)
        return [self._here(message) for message in kept]

    def _here(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return the message with its picture where the run folder lies now."""
        if "path" not in message:
            return message
        return {**message, "path": str(self.pictures / Path(message["path"]).name)}

    def _read(self) -> list[dict[str, Any]]:
        """Return the whole messages."""
        if not self.path.exists():
            return []
        found = []
        for line in self.path.read_text(encoding="utf-8", errors="replace").split("\n"):
            try:
                message = json.loads(line)
            except ValueError:  # the line of a kill
                continue
            if isinstance(message, dict) and isinstance(message.get("index"), int):
                found.append(message)
        return found
