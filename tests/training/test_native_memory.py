"""A training run keeps freed memory, unless the environment chose; each run here is a process of its own."""

import os
import subprocess
import sys

import pytest

from seq2seq_lab.training.native_memory import CHOICES, LARGE_PAGES, MOST_PRIMITIVES, PRIMITIVES

FAULTS = """
import ctypes, os, resource
from seq2seq_lab.training.native_memory import PRIMITIVES, keep_for_next_step
keep_for_next_step()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
def use(size=24 * 2**20):
    block = libc.malloc(size)
    ctypes.memset(block, 1, size)
    libc.free(block)
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, os.environ[PRIMITIVES])
"""


def faults(**environment: str) -> tuple[int, str]:
    """Return the page faults of ten blocks of 24 MB after a first one, and oneDNN's number."""
    clean = {k: v for k, v in os.environ.items() if k not in (*CHOICES, PRIMITIVES)}
    command = [sys.executable, "-c", FAULTS]
    done = subprocess.run(
        command, env=clean | environment, capture_output=True, text=True, check=True
    )
    count, primitives = done.stdout.split()
    return int(count), primitives


@pytest.mark.skipif(sys.platform != "linux", reason="asks glibc")
def test_freed_blocks_are_used_again_without_page_faults():
    kept, primitives = faults()
    assert primitives == MOST_PRIMITIVES
    assert kept < 1000 < faults(MALLOC_MMAP_THRESHOLD_="1000000")[0]


def test_the_users_environment_is_left_alone():
    assert faults(ONEDNN_PRIMITIVE_CACHE_CAPACITY="7")[1] == "7"


TRAINED = """
from seq2seq_lab.commands.dispatch import carry_out
assert carry_out(["train", "debug=tiny"]) == 0
import torch
blocks = [torch.empty(2**20) for _ in range(8)]
print("offset", max(block.data_ptr() % 4096 for block in blocks))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="pages of 2 MB are asked for on Linux only")
def test_a_training_process_takes_large_pages_unless_told_not_to(tmp_path):
    def offset(**environment: str) -> int:
        """Return the largest distance of eight blocks from the page they begin in: for large pages torch has none."""
        clean = {name: value for name, value in os.environ.items() if name != LARGE_PAGES}
        done = subprocess.run(
            [sys.executable, "-c", TRAINED], env=clean | environment, cwd=tmp_path,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return int(done.stdout.split()[-1])

    assert offset() == 0
    assert offset(**{LARGE_PAGES: "0"}) != 0
