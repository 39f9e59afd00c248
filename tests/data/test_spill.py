"""Bytes that grow out of memory into a file without a name."""

import subprocess
import sys

import numpy as np
import pytest

from seq2seq_lab.data import spill
from seq2seq_lab.data.spill import Spill
from seq2seq_lab.errors import ResourceError


def filled(parts):
    grown = Spill()
    for part in parts:
        grown.write(np.array(part, np.int32).tobytes())
    return grown


@pytest.mark.parametrize("limit", [0, 12, 1 << 20])
def test_the_array_is_what_was_written(monkeypatch, limit):
    monkeypatch.setattr(spill, "IN_MEMORY", limit)
    grown = filled([[1, 2], [], [3], [4, 5, 6]])
    assert grown.array(np.int32).tolist() == [1, 2, 3, 4, 5, 6]
    assert grown.size == 24
    assert isinstance(grown.array(np.int32), np.memmap) == (limit < 24)


@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_nothing_is_an_empty_array(monkeypatch, limit):
    monkeypatch.setattr(spill, "IN_MEMORY", limit)
    assert Spill().array(np.int32).tolist() == filled([[]]).array(np.int32).tolist() == []


def test_the_file_has_no_name(monkeypatch, tmp_path):
    monkeypatch.setattr(spill, "IN_MEMORY", 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    grown = filled([[1, 2]])
    assert grown.array(np.int32).tolist() == [1, 2]
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line_that_says_what_to_do():
    code = (
        "import resource, signal, sys\n"
        "from seq2seq_lab.data import spill\n"
        "from seq2seq_lab import errors\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))\n"
        "spill.IN_MEMORY = 0\n"
        "def fill():\n"
        "    grown = spill.Spill()\n"
        "    for _ in range(100): grown.write(bytes(1 << 12))\n"
        "    grown.array('u1')\n"
        "sys.exit(errors.run(fill))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == ResourceError.exit_code
    assert "set TMPDIR to a folder on a disk with more room" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
