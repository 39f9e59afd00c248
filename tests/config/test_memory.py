"""A model larger than memory is refused before it is allocated, with its size and the keys to lower."""

import sys

import pytest
import torch
from torch import nn

from seq2seq_lab.config import memory
from seq2seq_lab.config.check import check
from seq2seq_lab.config.compose import compose_config
from seq2seq_lab.config.memory import available_bytes, check_memory
from seq2seq_lab.errors import ResourceError


def test_a_model_larger_than_memory_is_refused_before_it_is_allocated():
    cfg = compose_config(["data=copy", "model.dim=1000000"])
    with pytest.raises(ResourceError, match=r"weights and needs .* GiB .* lower model.dim"):
        check(cfg)


def test_the_limit_counts_weights_gradients_and_moments():
    with torch.device("meta"):
        model = nn.Linear(10, 10, bias=False)
    check_memory(model, limit=1600)
    check_memory(model, limit=400, copies=1)
    with pytest.raises(ResourceError, match="100 weights"):
        check_memory(model, limit=1599)
    assert available_bytes() > 1 << 20


V1, V2 = "memory/memory.limit_in_bytes", "memory.max"


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, 5 << 10),
        ({V2: "max\n"}, 5 << 10),
        ({V2: "3000\n"}, 3000),
        ({V2: "3000\n", "memory.stat": "anon 1000\nfile 900\n"}, 2000),
        ({V1: "3000\n", "memory/memory.stat": "rss 7\ntotal_rss 2000\n"}, 1000),
        ({V1: "9223372036854771712\n", "memory/memory.stat": "total_rss 2000\n"}, 5 << 10),
        ({V2: "3000\n", "memory.stat": "anon 4000\n"}, 0),
        ({V2: "\xff", "memory.stat": ""}, 5 << 10),
    ],
)
def test_the_limit_of_a_container_counts(tmp_path, monkeypatch, files, free):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable:   5 kB\n")
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content.encode("latin-1"))
    monkeypatch.setattr(memory, "MEMINFO", meminfo)
    monkeypatch.setattr(memory, "CONTROL_GROUPS", tmp_path)
    assert available_bytes() == free


def test_a_system_without_meminfo_counts_all_of_its_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "absent")
    monkeypatch.setattr(memory, "CONTROL_GROUPS", tmp_path)
    monkeypatch.setattr(memory.os, "sysconf", {"SC_PHYS_PAGES": 7, "SC_PAGE_SIZE": 4096}.get)
    assert available_bytes() == 7 * 4096


def test_a_system_that_says_nothing_refuses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "absent")
    monkeypatch.setattr(memory, "CONTROL_GROUPS", tmp_path)
    monkeypatch.delattr(memory.os, "sysconf")
    monkeypatch.setitem(sys.modules, "resource", None)
    assert available_bytes() == 1 << 60
