"""`train.py` that writes a line of JSON to the file of its first argument at each stage: memory in MB (Linux)."""

import ctypes
import json
import sys
from pathlib import Path
from typing import Any

_FIELDS = (
    "arena", "chunks", "small", "maps", "mapped", "unused", "small_kept", "in_use", "kept", "top",
)  # fmt: skip
SHOWN = (1, 5, 10, 20, 40)
"""Optimizer steps with a line of their own; then every 50th."""


class _Counts(ctypes.Structure):
    """`struct mallinfo2` of glibc 2.33 and later."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in _FIELDS)


def malloc_counts() -> dict[str, float]:
    """Return what malloc has handed out and what it keeps, in MB; nothing where the C library does not say."""
    count = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if count is None:
        return {}
    count.restype = _Counts
    found = count()
    return {"in_use": (found.in_use + found.mapped) / 2**20, "kept": found.kept / 2**20}


def memory_now() -> dict[str, float]:
    """Return the resident memory of this process, its part that is files, its peak so far, and malloc's counts: MB.

    `modules` is the number of Python modules, most of what is resident before a model is built.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    sizes = dict(line.split(":", 1) for line in status.splitlines())
    names = {"resident": "VmRSS", "files": "RssFile", "peak": "VmHWM"}
    found = {name: int(sizes[key].split()[0]) / 1024 for name, key in names.items()}
    return found | malloc_counts() | {"modules": float(len(sys.modules))}


def main() -> int:
    """Train with the remaining arguments."""
    path = Path(sys.argv.pop(1))

    def note(stage: str) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"stage": stage, **memory_now()}) + "\n")

    note("Python")
    import torch  # noqa: F401

    note("torch")
    from seq2seq_lab.config.collection import first_imports
    from seq2seq_lab.training.late_modules import late_modules

    with (
        first_imports(),
        late_modules(),
    ):  # as `commands/train.py` does: the compiler alone is 130 MB
        from seq2seq_lab.training import session

    note("all imports")

    class Watched(session.Seq2SeqModule):
        def on_fit_start(self) -> None:
            note("data and model")

        def on_train_batch_end(self, *_: Any) -> None:
            if self.global_step in SHOWN or self.global_step % 50 == 0:
                note(f"step {self.global_step}")

        def on_train_end(self) -> None:
            note("end of training")

    session.Seq2SeqModule = Watched  # type: ignore[misc]
    from seq2seq_lab.commands.dispatch import program

    code = program("train")
    note("after validation, test and decoding")
    return code


if __name__ == "__main__":
    sys.exit(main())
