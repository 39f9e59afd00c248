"""A second team of threads stands by while others want the cores, and only then; no number changes."""

import os
import subprocess
import sys
import threading
import time

import pytest
import torch

from seq2seq_lab import waiting
from seq2seq_lab.threads import WAITING


@pytest.fixture
def watch():
    """Return what makes a watch of these samples of what others take, on 2 cores with 2 threads."""
    made = []

    def make(*samples):
        made.append(waiting.Watch(2, 2, iter(samples).__next__))
        return made[-1]

    yield make
    for one in made:
        if one.team is not None:
            one.team.close()


def test_a_team_comes_with_the_first_busy_sample_and_goes_after_two_calm_ones(watch):
    one = watch(0.1, 0.9, 0.9, 0.1, 0.9, 0.0, 0.1)
    states = []
    for _ in range(7):
        one.sample()
        states.append(one.team is not None)
    assert states == [False, True, True, True, True, True, False]


def test_a_team_is_kept_and_its_threads_end_with_it(watch):
    one = watch(1.0, 1.0, 0.0, 0.0)
    one.sample()
    team = one.team
    one.sample()
    assert one.team is team
    one.sample()
    one.sample()
    team.thread.join(10)
    assert not team.thread.is_alive()


@pytest.mark.parametrize(
    ("threads", "others", "expected"),
    [(2, 0.2, False), (2, 0.3, True), (1, 1.2, False), (1, 1.3, True)],
)
def test_cores_that_are_left_over_are_for_the_others(threads, others, expected):
    one = waiting.Watch(2, threads, lambda: others)
    one.sample()
    assert (one.team is not None) == expected
    if one.team is not None:
        one.team.close()


def test_what_others_take_is_what_is_busy_without_our_own_work(monkeypatch):
    samples = iter([(10.0, 2.0, 100.0), (13.0, 3.0, 102.0), (14.0, 5.0, 104.0)])
    monkeypatch.setattr(waiting.OthersBusy, "_now", lambda self: next(samples))
    others = waiting.OthersBusy()
    assert others() == 1.0  # 3 seconds busy, 1 of them ours, in 2 seconds
    assert others() == 0.0  # never below: the system counts in ticks


def test_our_own_work_is_in_what_the_system_counts():
    cores = waiting.core_numbers()
    before, until = waiting.busy_seconds(cores), time.process_time() + 0.3
    while time.process_time() < until:
        pass
    assert waiting.busy_seconds(cores) - before >= 0.2


SAME = """
import os, time, torch
from seq2seq_lab import waiting
torch.set_num_threads(2)
torch.manual_seed(1)
x, w = torch.randn(600, 600), torch.randn(600, 600, requires_grad=True)
def number():
    w.grad = None
    loss = torch.tanh(x @ w).sum()
    loss.backward()
    return loss.item(), w.grad.double().sum().item()
def tasks():
    return len(os.listdir("/proc/self/task"))
before, alone = number(), tasks()
watch = waiting.Watch(2, 2, lambda: 2.0)
watch.sample()
until = time.monotonic() + 60
while tasks() < alone + 2 and time.monotonic() < until:
    time.sleep(0.01)
print(before == number(), torch.get_num_threads(), tasks() - alone)
"""


def test_no_number_changes_and_the_team_has_threads_of_its_own():
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", SAME], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "2", "2"]


@pytest.mark.parametrize(
    ("threads", "variables", "starts"),
    [(2, {}, True), (1, {}, False), (2, {"GOMP_SPINCOUNT": "9"}, False)],
)
def test_one_thread_and_a_users_own_choice_are_left_alone(monkeypatch, threads, variables, starts):
    begun = []
    monkeypatch.setattr(waiting, "_started", False)
    monkeypatch.setattr(waiting.Watch, "run", lambda watch: begun.append(watch))
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    for name in WAITING:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    waiting.watch_others()
    waiting.watch_others()
    for thread in threading.enumerate():
        if thread.name == "watch-others":
            thread.join(10)
    assert len(begun) == starts
