"""How a run ended and how long it took: what its manifest says of that.

`seconds` is the wall-clock time of training and evaluation. Of a resumed run it counts what the run is made of: each
earlier session up to the checkpoint that the next one continued from. What was lost is not counted.
"""

import contextlib
import datetime
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seq2seq_lab.errors import ResourceError, one_line
from seq2seq_lab.training.manifest import read_manifest
from seq2seq_lab.training.run_folder import add_to_manifest

_LONGEST = 500
"""Characters of a stored reason."""


@contextlib.contextmanager
def ending_noted(run_dir: Path) -> Iterator[None]:
    """Write into the manifest, when the block ends, the time and the seconds of the run, or why it failed.

    A run that is stopped by a signal gets neither: it can be resumed.
    """
    began = time.monotonic()
    try:
        yield
    except Exception as error:
        reason = f"{type(error).__name__}: {one_line(error)[:_LONGEST]}"
        with contextlib.suppress(ResourceError):  # the first error is the one to be shown
            add_to_manifest(run_dir, {"failure": reason})
        raise
    manifest = read_manifest(run_dir / "manifest.json") or {}
    seconds = seconds_before(manifest) + time.monotonic() - began
    finished = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    add_to_manifest(run_dir, {"finished": finished, "seconds": round(seconds, 3)})


def seconds_before(manifest: dict[str, Any]) -> float:
    """Return the seconds of the sessions before the last one."""
    resumed = manifest.get("resumed") or [{}]
    found = resumed[-1].get("seconds") if isinstance(resumed[-1], dict) else None
    return float(found) if isinstance(found, int | float) else 0.0
