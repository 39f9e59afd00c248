"""Device slots: the GPU or core that a worker process takes for itself; and workers that end with their parent."""

import itertools
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from filelock import BaseFileLock

from seq2seq_lab.files import acquire

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_held: dict[str, BaseFileLock] = {}


def gpus() -> list[str]:
    """Return the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them, without starting CUDA."""
    if (chosen := os.environ.get(_VISIBLE)) is not None:
        return [name for name in chosen.split(",") if name.strip() not in {"", "-1"}]
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.split()


def take_slot(names: list[str], depth: int = 1, folder: Path | None = None) -> str:
    """Take one of `names`, each for up to `depth` processes, until this process ends; wait for a free one.

    A slot is a file that the process locks. A process that has a slot keeps it.
    """
    place = folder or Path(tempfile.gettempdir()) / f"seq2seq-lab-slots-{os.getuid()}"
    while not _held:
        for number, name in itertools.product(range(depth), names):
            if lock := acquire(place / f"{name}.{number}.lock"):
                _held[name] = lock
                break
        else:
            time.sleep(0.5)
    return next(iter(_held))


def take_gpu(runs: int, folder: Path | None = None) -> str | None:
    """Let this process see one GPU only, shared with as few of `runs` processes as possible; None without a GPU.

    To be called before CUDA starts.
    """
    devices = list(_held) or gpus()
    if not devices:
        return None
    os.environ[_VISIBLE] = device = take_slot(devices, -(-runs // len(devices)), folder)
    return device


def end_with_parent(seconds: float = 1.0, is_over: Callable[[], bool] = lambda: False) -> None:
    """End this process at once when its parent is gone: nobody waits for its run, and its lock blocks others.

    Or when `is_over`, asked every so many seconds, says so.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent and not is_over():
            time.sleep(seconds)
        os._exit(1)

    if not any(thread.name == "parent" for thread in threading.enumerate()):
        threading.Thread(target=watch, name="parent", daemon=True).start()
