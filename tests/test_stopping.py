"""The signals that ask a command to stop, in programs of a few lines."""

import os
import signal
import subprocess
import sys

import pytest

from seq2seq_lab import stopping
from seq2seq_lab.stopping import SIGNALS, StoppedError, listening

HEAD = """
import ctypes, os, signal, sys, time
from seq2seq_lab import errors, stopping
def ready():
    print("ready", flush=True)
def busy():  # ready within a C function, where no handler of Python runs; system() ignores SIGINT
    ctypes.CDLL(None).system(b"echo ready; exec sleep 60 >/dev/null 2>&1")
def wait():
    ready()
    time.sleep(60)
"""
LISTENS = "stopping.listen_from_now_on()\nwait()"
RUNS = "sys.exit(errors.run(wait))"
BUSY = "with stopping.listening(patience=0.2): busy()"
BUSY_FOR_EVER = "with stopping.listening(patience=None): busy()"
FORKED = """
stopping.listen_from_now_on()
if os.fork() == 0:
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGUSR1)
    os._exit(7)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
os.kill(os.getpid(), signal.SIGTERM)
"""
NOHUP = "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"


def answer(program: str, *numbers: int) -> tuple[int, str]:
    """Return exit code and stderr of a program that gets these signals when it is ready."""
    line = [sys.executable, "-c", HEAD + program]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        if numbers:
            assert process.stdout.readline() == b"ready\n"
        for number in numbers:
            process.send_signal(number)
        return process.wait(30), process.stderr.read().decode()


def told(number: int) -> tuple[int, str]:
    return stopping.exit_code_of(number), f"error: stopped by {signal.Signals(number).name}\n"


@pytest.mark.parametrize("number", SIGNALS)
def test_a_program_that_imports_ends_with_one_line(number):
    assert answer(LISTENS, number) == told(number)


def test_a_command_ends_with_one_line():
    assert answer(RUNS, signal.SIGTERM) == told(signal.SIGTERM)


def test_a_busy_command_ends_although_no_handler_can_run():
    assert answer(BUSY, signal.SIGUSR1) == told(signal.SIGUSR1)


def test_a_second_signal_ends_what_waits_for_ever():
    assert answer(BUSY_FOR_EVER, signal.SIGTERM, signal.SIGUSR1)[0] == 143


def test_a_forked_process_leaves_its_signals_to_its_parent():
    assert answer(FORKED) == told(signal.SIGTERM)


def test_nohup_keeps_a_command_when_the_terminal_closes():
    assert answer(NOHUP + LISTENS, signal.SIGHUP, signal.SIGTERM) == told(signal.SIGTERM)


def test_the_reaction_is_that_of_the_innermost_block():
    before = [signal.getsignal(number) for number in SIGNALS]
    seen: list[int] = []
    with listening(), listening(seen.append):
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)  # as `timeout` does, to a process and its group
        assert stopping.received() == signal.SIGUSR1
    assert seen == [signal.SIGUSR1]
    assert stopping.received() is None
    assert [signal.getsignal(number) for number in SIGNALS] == before


def a_library() -> None:
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except Exception:
        pytest.fail("swallowed")


def test_no_library_swallows_it():
    with pytest.raises(StoppedError, match="SIGINT"), listening():
        a_library()


def test_a_process_that_the_first_started_waits_for_it(monkeypatch):
    monkeypatch.setenv(stopping.FIRST_PROCESS, str(os.getppid()))
    with listening():
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopping.received() == signal.SIGTERM


def test_a_program_is_stopped_with_its_caller():
    program = "import signal, time\nsignal.signal(15, lambda *_: exit(9))\nprint(1, flush=True)\ntime.sleep(60)"
    caller = f"stopping.call([sys.executable, '-c', {program!r}])"
    code, text = answer(
        f"def go():\n    ready()\n    {caller}\nsys.exit(errors.run(go))", signal.SIGTERM
    )
    assert (code, text) == told(signal.SIGTERM)
