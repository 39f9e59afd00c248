"""What a start costs is counted for a process and for all processes of a training."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark import start
from seq2seq_lab.errors import ResourceError
from support.small_runs import ROOT

BUSY = "import time; b = time.process_time()\nwhile time.process_time() - b < 0.3: pass\n"


def test_a_command_costs_something_and_a_wrong_one_is_an_error():
    cpu, wall = start.cost(["--help"], ROOT)
    assert 0 < cpu < 60
    assert 0 < wall < 60
    with pytest.raises(ResourceError, match="no-such-command: exit code 2"):
        start.cost(["no-such-command"], ROOT)


def test_a_process_and_its_children_are_added_up():
    wait = "sys.stdin.read()\n"  # both end with this test
    child = f"import sys\n{BUSY}print('done', flush=True)\n{wait}"
    start_child = "subprocess.Popen([sys.executable, '-c', sys.argv[1]], start_new_session=True)\n"
    code = f"import subprocess, sys\n{BUSY}{start_child}print('ready', flush=True)\n{wait}"
    process = subprocess.Popen(
        [sys.executable, "-c", code, child],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert {process.stdout.readline(), process.stdout.readline()} == {"ready\n", "done\n"}
        assert start._cpu_of_family(process.pid) >= 0.58
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_every_named_model_has_a_doctor_in_the_table():
    models = [path.stem for path in Path(ROOT / "conf" / "model").glob("[!_]*.yaml")]
    names = start.commands(Path("run"), models)
    assert {"translate one sentence", "first step, W&B", "doctor model=lstm_attn"} <= names.keys()
