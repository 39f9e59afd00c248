"""The garbage collector is off in a block, and what the first block of a command made is never walked through again."""

import gc
import subprocess
import sys

import pytest

from seq2seq_lab.config.collection import no_collection

_BLOCKS = """
import gc
from seq2seq_lab.config.collection import first_imports

counts, kept = [], []
for _ in range(2):
    with first_imports():
        assert not gc.isenabled()
        kept += [[] for _ in range(1000)]
    assert gc.isenabled()
    counts.append(gc.get_freeze_count())
assert counts[0] >= 1000, counts
assert counts[1] <= counts[0], counts  # a later job's leftovers may be collected
"""


def test_the_collector_is_as_before_after_an_error():
    found = []

    def block() -> None:
        with no_collection():
            found.append(gc.isenabled())
            raise ValueError("in the block")

    with pytest.raises(ValueError, match="in the block"):
        block()
    assert [*found, gc.isenabled()] == [False, True]


def test_the_first_block_alone_keeps_what_it_made():
    subprocess.run([sys.executable, "-c", _BLOCKS], check=True, timeout=60)
