"""What the C library and oneDNN keep in memory during a training run, where the user's environment does not say it."""

import ctypes
import os
import sys

PRIMITIVES = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
"""oneDNN keeps the code of so many products, one for each shape; its 1,024 lie between activations and scatter them."""
MOST_PRIMITIVES = "64"
"""A training step has about 30 shapes, and the next batch has others."""

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""The parameters of glibc's `mallopt`."""
CHOICES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_for_next_step() -> None:
    """Let glibc keep what a step frees, up to 1 GB, for the next one, and oneDNN the code of few products.

    Pages given back after each step are fetched again in the next: up to 8 % of a step. Does nothing about malloc where
    the C library is another one.
    """
    os.environ.setdefault(PRIMITIVES, MOST_PRIMITIVES)
    if sys.platform != "linux" or any(os.environ.get(name) for name in CHOICES):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, 2**25)
        mallopt(TRIM_THRESHOLD, 2**30)
