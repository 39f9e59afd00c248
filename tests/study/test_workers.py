"""Workers and signals: what the command lets them do, and what a scheduler sends to a job."""

import os
import signal
import subprocess
import sys
import time

import pytest

from seq2seq_lab import stopping
from seq2seq_lab.errors import StoppedError
from seq2seq_lab.study import workers


@pytest.fixture
def requeued(monkeypatch):
    """The signals after which submitit, whose handler this stands for, put the job into the queue again."""
    seen = []
    before = signal.signal(signal.SIGUSR2, lambda number, frame: seen.append(number))
    yield seen
    signal.signal(signal.SIGUSR2, before)


def job_that_gets(number):
    """Send a job a signal and return the one by which it stopped."""
    with pytest.raises(StoppedError) as caught, workers.in_queue():
        os.kill(os.getpid(), number)
    return caught.value.args[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_job_that_is_cancelled_is_not_queued_again(requeued, number):
    assert job_that_gets(number) == number
    assert requeued == []


def test_a_job_whose_time_ends_is_queued_again(requeued):
    assert job_that_gets(signal.SIGUSR2) == signal.SIGUSR2
    assert requeued == [signal.SIGUSR2]


SAVES = """
import os, signal, time
from seq2seq_lab import stopping
asked = []
with stopping.listening(asked.append, None, numbers=(signal.SIGTERM, signal.SIGUSR2), insists={insists}):
    for number in (signal.SIGUSR2, signal.SIGTERM, signal.SIGTERM):
        os.kill(os.getpid(), number)
        time.sleep(0.3)
print("saved", [signal.Signals(number).name for number in asked])
"""


def saves_whatever_follows(insists):
    line = [sys.executable, "-c", SAVES.format(insists=insists)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=30)
    assert done.stdout == "saved ['SIGUSR2']\n"


def test_a_second_signal_of_a_scheduler_does_not_cut_short_the_saving():
    saves_whatever_follows(insists=False)


def test_planted_second_signal_that_insists_is_caught():
    with pytest.raises(AssertionError):
        saves_whatever_follows(insists=True)


def test_what_is_started_in_the_block_does_not_see_the_terminal():
    """A process that would end by Ctrl-C or a closed terminal ends by SIGTERM only."""
    with workers.terminal_signals_blocked():
        process = subprocess.Popen(["sleep", "60"])
    try:
        for number in set(stopping.SIGNALS) - {signal.SIGTERM}:
            process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM
    finally:
        process.kill()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, set()) == set()


COMMAND = """
import os, time
from seq2seq_lab.study import workers
with workers.supervised(in_study=True):
    print(os.environ["SEQ2SEQ_LAB_WORKERS"], flush=True)
    time.sleep(60)
"""


def test_a_worker_knows_when_its_command_is_gone(monkeypatch):
    with subprocess.Popen([sys.executable, "-c", COMMAND], stdout=subprocess.PIPE) as command:
        monkeypatch.setenv("SEQ2SEQ_LAB_WORKERS", command.stdout.readline().decode().strip())
        assert not workers.command_is_gone()
        command.kill()
        command.wait()
    end = time.monotonic() + 5
    while not workers.command_is_gone():
        assert time.monotonic() < end
    monkeypatch.delenv("SEQ2SEQ_LAB_WORKERS")
    assert not workers.command_is_gone()


def test_handlers_are_set_again_after_a_library_took_them():
    before = signal.getsignal(signal.SIGTERM)
    with workers.handlers_kept():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.fixture
def handlers():
    """The handlers of all signals that ask to stop; set again after the test."""
    before = {number: signal.getsignal(number) for number in stopping.SIGNALS}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_command_that_runs_its_jobs_itself_answers_the_terminal(handlers):
    """With `n_jobs=1` there is no worker: Ctrl-C has nobody else to reach."""
    with workers.supervised(in_study=True):
        answered = {number: signal.getsignal(number) for number in handlers}
        with workers.at_work(tells=False):
            assert {number: signal.getsignal(number) for number in handlers} == answered
    assert answered[signal.SIGINT] is not signal.SIG_IGN


def test_planted_command_that_takes_itself_for_a_worker_is_caught(handlers, monkeypatch):
    with workers.supervised(in_study=True):
        monkeypatch.setattr(workers, "_supervisor", None)
        with workers.at_work(tells=False):
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
