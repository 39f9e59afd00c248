"""Whether a model fits in memory, before any of it is allocated."""

import os
import resource
from pathlib import Path
from typing import Any

from seq2seq_lab.errors import ResourceError

_COPIES = 4
"""Weights, gradients and the two moments of Adam."""


def available_bytes() -> int:
    """Return how much memory a process may still take here; of a machine that does not say, a great deal."""
    limits = [1 << 60]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        limits.append(soft)
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        limits.append(int(lines.get("MemAvailable", "1").split()[0]) * 1024)
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # of a container
        file = Path("/sys/fs/cgroup", name)
        if os.access(file, os.R_OK) and (text := file.read_text().strip()).isdigit():
            limits.append(int(text))
    return min(limits)


def check_memory(model: Any, limit: int | None = None, *, copies: int = _COPIES) -> None:
    """Raise `ResourceError` if the weights of a model, built on the meta device, need more memory than there is.

    `copies` is how often training holds them; 1 where nothing is trained. `limit` replaces what this machine has.
    """
    count = sum(p.numel() for p in model.parameters())
    needed = copies * sum(p.numel() * p.element_size() for p in model.parameters())
    limit = available_bytes() if limit is None else limit
    if needed > limit:
        raise ResourceError(
            f"the model has {count:,} weights and needs {needed / 2**30:,.1f} GiB, {limit / 2**30:,.1f} GiB are "
            "available; lower model.dim, model.embedding_dim or model.num_layers"
        )
