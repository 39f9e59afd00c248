"""Other systems, simulated: a process in which the calls that they lack are gone. No such machine was at hand."""

import os
import subprocess
import sys
from pathlib import Path

from support.small_runs import ROOT, TINY_RUN

WITHOUT = """
import os, runpy, select, signal, subprocess, sys, threading
def take_away(place, *names):
    for name in names:
        vars(place).pop(name, None)
"""
MACOS = f"""{WITHOUT}
take_away(os, "sched_getaffinity", "process_cpu_count")
import portalocker  # sacreBLEU's; it wants fcntl, which a real Mac has
for module in ("fcntl", "resource"):
    sys.modules[module] = None  # importing it raises ImportError
from seq2seq_lab.config import memory
memory.MEMINFO = memory.CONTROL_GROUPS = memory.Path("/nowhere")
sys.argv = ["train.py", *sys.argv[1:]]
runpy.run_path("train.py", run_name="__main__")
"""
WINDOWS = f"""{WITHOUT}
take_away(os, "sched_getaffinity", "register_at_fork", "getuid", "getppid", "O_NOFOLLOW", "O_NONBLOCK")
take_away(signal, "SIGUSR1", "SIGHUP", "SIGKILL")
sys.modules["fcntl"] = sys.modules["resource"] = None
sys.platform = "win32"
sys.argv = ["train.py"]
runpy.run_path("train.py", run_name="__main__")
"""


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", program, *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_a_run_needs_neither_fcntl_nor_affinity_nor_proc(tmp_path: Path):
    few = "training.trainer.max_epochs=1"
    done = run(MACOS, *TINY_RUN, few, "training/logger=csv", f"run_dir={tmp_path}")
    assert (done.returncode, (tmp_path / "result.json").is_file()) == (0, True), done.stderr
    assert not [path.name for path in tmp_path.rglob("*.tmp")]


def test_windows_is_refused_with_one_line_that_names_wsl():
    done = run(WINDOWS)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith(
        "error: seq2seq-lab runs on Linux and macOS; on Windows use it inside WSL"
    )
    assert done.stderr.count("\n") == 1
