import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seq2seq_lab.study import device_slot as slot

TAKE = """
import sys
from pathlib import Path
from seq2seq_lab.study import device_slot as slot
place = Path(sys.argv[2])
first = slot.take_gpu(int(sys.argv[1]), place)
print(first, slot.gpus(), slot.take_gpu(int(sys.argv[1]), place), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def take(tmp_path):
    workers = []

    def start(runs, devices="3,5"):
        worker = subprocess.Popen(
            [sys.executable, "-c", TAKE, str(runs), str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": devices},
        )
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.kill()
        worker.communicate()


def test_processes_share_the_gpus_evenly_and_see_one_each(take):
    seen = sorted(take(4).stdout.readline() for _ in range(4))
    assert seen == ["3 ['3'] 3\n", "3 ['3'] 3\n", "5 ['5'] 5\n", "5 ['5'] 5\n"]


def test_a_killed_process_gives_its_gpu_back(take):
    first = take(1, devices="3")
    assert first.stdout.readline().startswith("3 ")
    waiting = take(1, devices="3")
    time.sleep(0.3)
    os.set_blocking(waiting.stdout.fileno(), False)
    assert waiting.stdout.readline() == ""
    first.kill()
    os.set_blocking(waiting.stdout.fileno(), True)
    assert waiting.stdout.readline().startswith("3 ")


def test_without_a_gpu_there_is_nothing_to_take(take, monkeypatch, tmp_path):
    assert take(2, devices="").stdout.readline() == "None [] None\n"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))  # no nvidia-smi
    assert slot.gpus() == []


def test_gpus_are_those_that_the_driver_names(monkeypatch, tmp_path):
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho GPU-a\necho GPU-b\n")
    driver.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert slot.gpus() == ["GPU-a", "GPU-b"]


ORPHAN = """
import os, time
from seq2seq_lab.study.device_slot import end_with_parent
if os.fork() == 0:
    if {watch}:
        end_with_parent(0.05)
    print(os.getpid(), flush=True)
    time.sleep(20)
    os._exit(0)
os.wait()
"""


def is_alive(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def ends_with_its_parent(*, watch):
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHAN.format(watch=watch)], stdout=subprocess.PIPE, text=True
    )
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 1.0
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        assert not is_alive(child)
    finally:
        if is_alive(child):
            os.kill(child, 9)
        parent.stdout.close()


def test_a_worker_ends_with_its_parent():
    ends_with_its_parent(watch=True)


def test_planted_worker_without_a_watch_is_caught():
    with pytest.raises(AssertionError):
        ends_with_its_parent(watch=False)
