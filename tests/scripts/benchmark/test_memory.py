"""Memory is read from the system and from malloc; here a known number of bytes is held and let go."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark import memory
from benchmark.memory_stages import malloc_counts
from benchmark.work import make_pairs
from seq2seq_lab.errors import DataError, ResourceError

TINY = ["model.dim=8", "model.embedding_dim=8", "training/logger=csv"]


HELD = """
import json
import torch
from benchmark.memory_stages import memory_now
torch.ones(2**18)
before = memory_now()
held = torch.ones(100 * 2**18)
during = memory_now()
del held
print(json.dumps([before, during, memory_now()]))
"""
"""Holds 100 MB and lets them go; by itself, since a process that has trained hands out freed memory again."""


def test_held_memory_is_counted_and_peaks_stay():
    if not malloc_counts():
        pytest.skip("the C library has no mallinfo2")
    scripts = Path(memory.__file__).parents[1]
    out = subprocess.run(
        [sys.executable, "-c", HELD], cwd=scripts, check=True, capture_output=True, text=True
    ).stdout
    before, during, after = json.loads(out)
    assert during["in_use"] - before["in_use"] == pytest.approx(100, abs=5)
    assert during["resident"] - before["resident"] == pytest.approx(100, abs=20)
    assert after["in_use"] - before["in_use"] == pytest.approx(0, abs=5)
    assert after["peak"] >= during["resident"] - 1


def test_given_text_takes_the_place_of_made_up_text(tmp_path):
    paths = []
    for side in ("source", "target"):
        path = tmp_path / side
        path.write_text(f"{side} line\n" * 150, encoding="utf-8")
        paths.append(str(path))
    folder = tmp_path / "work"
    folder.mkdir()
    memory.write_texts(folder, paths)
    for side in ("source", "target"):
        assert (folder / f"text.{side}").read_text(encoding="utf-8") == f"{side} line\n" * 150
        assert (folder / f"few.{side}").read_text(encoding="utf-8") == f"{side} line\n" * 100


def test_a_missing_text_file_is_one_line(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such file"):
        memory.write_texts(tmp_path, [str(tmp_path / "nowhere"), str(tmp_path / "nowhere else")])


def test_a_run_that_does_not_end_is_stopped(tmp_path):
    memory.write_work(tmp_path, make_pairs(20))
    with pytest.raises(ResourceError, match="has not ended after 1 s"):
        memory.stages(tmp_path, TINY, threads=1, limit=1.0)


def test_a_run_that_fails_is_an_error_with_its_last_line(tmp_path):
    memory.write_work(tmp_path, make_pairs(20))
    with pytest.raises(ResourceError, match=r"train\.py ended with 2: .*dim=0: must be >= 1"):
        memory.stages(tmp_path, ["model.dim=0"], threads=1)


@pytest.mark.slow
def test_every_stage_of_a_run_has_a_line(tmp_path):
    memory.write_work(tmp_path, make_pairs(200))
    rows = memory.stages(tmp_path, [*TINY, "training.trainer.max_steps=2"], threads=1)
    names = [row["stage"] for row in rows]
    assert names == [
        "Python", "torch", "all imports", "data and model", "step 1", "end of training",
        "after validation, test and decoding",
    ]  # fmt: skip
    assert [row["peak"] for row in rows] == sorted(row["peak"] for row in rows)
    assert rows[-1]["modules"] < 2_500  # 3,700 with torch's compiler, which train.py never runs
