"""Python's garbage collector, off for a moment."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Collect no garbage inside the block: an import of torch makes none, and looking for it takes 0.3 s."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def first_imports() -> Iterator[None]:
    """Collect no garbage inside the block, and never look for it among what a command has made by its end.

    For the block in which a command's process imports what it needs: modules live as long as the process, and the next
    collection would walk through all of them. In later blocks, as in the second job of a sweep, nothing is kept.
    """
    with no_collection():
        yield
        if not gc.get_freeze_count():
            gc.freeze()
