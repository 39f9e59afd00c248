"""The cores that this process may use."""

import os
from pathlib import Path

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""The environment variables by which a user says how OpenMP's threads wait; one is enough for us to leave it alone."""

CHOICES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""The environment variables by which a user chooses the number of threads."""

CONTROL_GROUPS = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Return how many cores this process may keep busy: of its affinity and of its container's share, the smaller."""
    return max(1, min(_cores(), *_shares(), 1 << 20))


def core_numbers() -> list[int]:
    """Return the numbers of the cores that this process may run on; where the system does not say, 0, 1 and so on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(_cores()))  # macOS has no affinity


def _cores() -> int:
    if hasattr(os, "process_cpu_count"):  # Python 3.13 and later
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _shares() -> list[int]:
    """Return the cores that control groups of version 2 and 1 grant, rounded up; nothing where they do not say."""
    texts = [_text("cpu.max"), f"{_text('cpu/cpu.cfs_quota_us')} {_text('cpu/cpu.cfs_period_us')}"]
    found = [text.split() for text in texts]
    return [
        -(-int(pair[0]) // int(pair[1]))
        for pair in found
        if len(pair) == 2 and all(one.isdecimal() and int(one) for one in pair)
    ]


def _text(name: str) -> str:
    try:
        return (CONTROL_GROUPS / name).read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def fit_to_machine() -> None:
    """Take away torch's threads for which this process has no core, unless the user's environment chose their number.

    torch counts the cores of the machine; a container may grant two of 64, and 64 threads then wait for each other.
    """
    import torch

    if not any(os.environ.get(name) for name in CHOICES):
        torch.set_num_threads(min(torch.get_num_threads(), usable_cores()))


def threads_for(runs: int) -> int:
    """Return torch's threads for what so many runs compute together: no more than runs, cores, or the user's number."""
    chosen = [int(text) for name in CHOICES if (text := os.environ.get(name, "")).isdecimal()]
    return max(1, min([runs, *(chosen[:1] or [usable_cores()])]))
