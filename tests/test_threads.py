"""The cores that a process may use, and the threads that torch gets."""

import os

import pytest
import torch

from seq2seq_lab import threads


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Return a function that sets what control groups say; the system itself has 8 cores."""
    monkeypatch.setattr(threads, "_cores", lambda: 8)
    monkeypatch.setattr(threads, "CONTROL_GROUPS", tmp_path)

    def say(**files: str) -> None:
        (tmp_path / "cpu").mkdir(exist_ok=True)
        for name, text in files.items():
            (tmp_path / name.replace("__", "/").replace("_DOT_", ".")).write_text(text)

    return say


@pytest.mark.parametrize(
    ("text", "cores"),
    [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1),
     ("6400000 100000", 8), ("", 8), ("0 0", 8), ("-1", 8), ("a b", 8)],
)  # fmt: skip
def test_a_containers_share_of_the_cores_is_respected(machine, text, cores):
    machine(cpu_DOT_max=text)
    assert threads.usable_cores() == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("300000", 3)])
def test_so_is_that_of_the_older_control_groups(machine, quota, cores):
    machine(cpu__cpu_DOT_cfs_quota_us=quota, cpu__cpu_DOT_cfs_period_us="100000")
    assert threads.usable_cores() == cores


def test_cores_are_counted_where_the_system_has_no_affinity(monkeypatch, tmp_path):
    monkeypatch.setattr(threads, "CONTROL_GROUPS", tmp_path)
    for name in ("sched_getaffinity", "process_cpu_count"):
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert threads.usable_cores() == 3
    assert threads.core_numbers() == [0, 1, 2]
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert threads.usable_cores() == 1


def test_the_count_of_newer_pythons_is_taken(monkeypatch, tmp_path):
    monkeypatch.setattr(threads, "CONTROL_GROUPS", tmp_path)
    monkeypatch.setattr(os, "process_cpu_count", lambda: 5, raising=False)
    assert threads.usable_cores() == 5


@pytest.fixture
def set_threads(monkeypatch):
    """Return the numbers of threads that were set in torch, which has 64 of them here; none is really set."""
    found: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    monkeypatch.setattr(torch, "set_num_threads", found.append)
    for name in threads.CHOICES:
        monkeypatch.delenv(name, raising=False)
    return found


def test_torch_gets_no_more_threads_than_there_are_cores(machine, set_threads):
    machine(cpu_DOT_max="200000 100000")
    threads.fit_to_machine()
    assert set_threads == [2]


@pytest.mark.parametrize("name", threads.CHOICES)
def test_a_users_own_number_of_threads_wins(machine, set_threads, monkeypatch, name):
    machine(cpu_DOT_max="200000 100000")
    monkeypatch.setenv(name, "16")
    threads.fit_to_machine()
    assert set_threads == []
