"""How torch, the C library and oneDNN use memory in a training run, where the user's environment does not say it."""

import ctypes
import os
import sys

LARGE_PAGES = "THP_MEM_ALLOC_ENABLE"
"""torch asks the kernel for pages of 2 MB for its large CPU tensors; it reads the variable at its first tensor."""

PRIMITIVES = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
"""oneDNN keeps the code of so many products, one for each shape; its 1,024 lie between activations and scatter them."""
MOST_PRIMITIVES = "64"
"""A training step has about 30 shapes, and the next batch has others."""

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""The parameters of glibc's `mallopt`."""
CHOICES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def take_large_pages() -> None:
    """Let torch ask for pages of 2 MB under large tensors: call it before the first tensor, later it does nothing.

    The logits of a chunk are 6,000 pages of 4 KB, and each costs time when it is first touched.
    """
    os.environ.setdefault(LARGE_PAGES, "1")


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
