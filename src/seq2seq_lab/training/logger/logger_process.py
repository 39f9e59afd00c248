"""The child process of a `ProcessLogger`, whatever it talks to: one JSON message per line on stdin.

A process of its own keeps a logger's import and start, its threads, its hooks into `sys.exit` and its hanging network
away from training: whatever happens here, the run continues, and ending this process ends all of it. The first message
holds the options, `finish` is the last one.
"""

import json
import os
import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from seq2seq_lab.errors import one_line
from seq2seq_lab.files import held

Say = Callable[[str], None]
"""Writes one line to the user's screen."""
Start = Callable[[dict[str, Any], Say], Any]
"""Starts a run from the options and returns it."""
Perform = Callable[[Any, dict[str, Any]], None]
"""Carries out one message with the run."""
Finish = Callable[[Any, int, Say], None]
"""Finishes the run with an exit code; the end of stdin without `finish` is a failed run, code 1."""


def take_screen() -> TextIO:
    """Return the real stderr, and send everything that the package itself prints to nowhere."""
    screen = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return screen


def _speaker(title: str, screen: TextIO) -> Say:
    def say(text: str) -> None:
        """Write one line; a screen that went away is no error."""
        try:
            screen.write(one_line(" ".join(f"{title}: {text}".split())) + "\n")
            screen.flush()
        except OSError:
            pass

    return say


def serve(title: str, start: Start, perform: Perform, finish: Finish) -> None:
    """Serve one run and leave at once: exit hooks may wait long for a server that does not answer."""
    os.nice(10)  # its start would take processor time from the first training steps
    messages = os.fdopen(os.dup(0), encoding="utf-8", newline="\n")
    say = _speaker(title, take_screen())
    code = 0
    with tempfile.TemporaryDirectory(prefix="seq2seq-lab-logger-") as folder:
        tempfile.tempdir = folder
        try:
            options = json.loads(messages.readline())
            with held(Path(options["folder"]) / ".lock", _longest_end(options)) as is_ours:
                if not is_ours:  # two would mix their rows
                    raise RuntimeError("an earlier session of the run still writes")
                run = start(options, say)
                exit_code = _carry_out(run, messages, perform, say)
                _leave_after(2 * options["finish_timeout"])
                finish(run, exit_code, say)
        except Exception as error:
            say(f"not logged, the run continues without it ({type(error).__name__}: {error})")
            code = 1
    os._exit(code)


def _longest_end(options: dict[str, Any]) -> float:
    """Return the seconds in which the process of a session that was killed has surely ended."""
    return float(options["init_timeout"] + options["finish_timeout"])


def _carry_out(run: Any, messages: TextIO, perform: Perform, say: Say) -> int:
    """Carry out all messages and return the exit code of the run; one line is said about those that are lost."""
    warned = False
    for line in messages:
        message = json.loads(line)
        if message["do"] == "finish":
            return int(message["exit_code"])
        try:
            perform(run, message)
        except Exception as error:  # a lost picture must not lose the run
            if not warned:
                say(f"could not log {message.get('name', message['do'])} ({error})")
            warned = True
    return 1


def _leave_after(seconds: float) -> None:
    """End this process and those that it started after so many seconds, if nobody else does: training was killed."""
    if os.getpid() != os.getpgid(0):
        return
    timer = threading.Timer(seconds, lambda: os.killpg(0, signal.SIGKILL))
    timer.daemon = True
    timer.start()
