"""`runs` and `diff` on terminals of two widths: colours, and nothing that is cut."""

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

from support.listed_runs import Made, write_run

PLACE = "outputs/lstm_attn_numbers/2026-11-28_15-00-45_7bc7f75c"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / PLACE, Made(0.3))
    write_run(folder / "outputs/b", Made(0.05, 2, ("model.dim=64", "training.optimizer.lr=0.01")))
    return folder


def on_a_terminal(place, columns, *words, **variables):
    """Run the command on a terminal so many columns wide; return what it prints."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    kept = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "NO_COLOR"}}
    process = subprocess.Popen(
        [sys.executable, "-m", "seq2seq_lab", *words],
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL, cwd=place,
        env={**kept, "TERM": "xterm", **variables},
    )  # fmt: skip
    os.close(theirs)
    found = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while piece := os.read(ours, 65536):
            found += piece
    os.close(ours)
    assert process.wait(timeout=60) == 0
    return found.decode().replace("\r\n", "\n")


def test_a_wide_terminal_has_one_line_for_each_run(place):
    shown = on_a_terminal(place, 160, "runs")
    assert "\x1b[32mdone" in shown
    assert shown.count("\n") == 3
    assert any(line.endswith(PLACE) and "done" in line for line in shown.splitlines())


def test_a_narrow_terminal_has_the_folder_below_and_whole(place):
    shown = on_a_terminal(place, 80, "runs")
    assert f"\n  {PLACE}\n" in shown
    first = [line for line in shown.splitlines() if "done" in line]
    assert all(len(line) < 80 + len("\x1b[32m\x1b[0m") for line in first)


def test_a_difference_has_colours_in_place_of_marks(place):
    shown = on_a_terminal(place, 80, "diff", PLACE, "outputs/b")
    assert "\x1b[4;31m" in shown
    assert "{+" not in shown
    plain = on_a_terminal(place, 80, "diff", PLACE, "outputs/b", NO_COLOR="1")
    assert "{+" in plain
    assert "31m" not in plain
