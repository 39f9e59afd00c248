"""Whether a model fits in memory, before any of it is allocated."""

import os
from pathlib import Path
from typing import Any

from seq2seq_lab.errors import ResourceError

_COPIES = 4
"""Weights, gradients and the two moments of Adam."""
MEMINFO, CONTROL_GROUPS = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
_CONTAINERS = (
    ("memory.max", "memory.stat", "anon"),
    ("memory/memory.limit_in_bytes", "memory/memory.stat", "total_rss"),
)
"""Where control groups, version 2 and 1, say what a container may take and has taken."""


def available_bytes() -> int:
    """Return how much memory a process may still take here; of a machine that does not say, a great deal."""
    limits = [1 << 60, _free_in_machine(), *(_free_in_container(*place) for place in _CONTAINERS)]
    limits.append(_limit_of_process())
    return min(limit for limit in limits if limit is not None)


def _numbers(file: Path) -> dict[str, int]:
    """Return the first whole number of each line of a file of /proc or /sys, by the word before it."""
    try:
        lines = [line.replace(":", " ").split() for line in file.read_text("ascii").splitlines()]
    except (OSError, ValueError):
        return {}
    return {line[0]: int(line[1]) for line in lines if len(line) > 1 and line[1].isdigit()}


def _limit_of_process() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft


def _free_in_machine() -> int | None:
    """Return the free memory of Linux; elsewhere all memory there is, for macOS does not say what is free; or None."""
    kilobytes = _numbers(MEMINFO).get("MemAvailable")
    if kilobytes is not None:
        return 1024 * kilobytes
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (
        AttributeError,
        ValueError,
        OSError,
    ):  # Windows; or a name that this system does not know
        return None


def _free_in_container(limit: str, statistics: str, used: str) -> int | None:
    """Return what the control group leaves; its file cache counts as free."""
    try:
        text = (CONTROL_GROUPS / limit).read_text("ascii").strip()
    except (OSError, ValueError):
        return None
    taken = _numbers(CONTROL_GROUPS / statistics).get(used, 0)
    return max(0, int(text) - taken) if text.isdigit() else None


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
