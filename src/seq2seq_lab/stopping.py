"""Signals that ask a command to stop: SIGINT (Ctrl-C), SIGTERM, SIGUSR1 and SIGHUP (the terminal was closed).

From its first import to its last line a command answers them by one rule: one line on stderr and the exit code 130
(SIGINT) or 143. What happens before that depends on the phase, which sets a reaction; a second signal leaves at once,
even while the main thread is deep in a C function.
"""

import atexit
import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

_NAMES = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")
SIGNALS: tuple[signal.Signals, ...] = tuple(
    getattr(signal, name) for name in _NAMES if hasattr(signal, name)
)
"""Windows lacks the last two; there this module is only imported, to refuse."""

Reaction = Callable[[int], None]
"""Called in the main thread with the number of the first signal; may raise."""

FIRST_PROCESS = "SEQ2SEQ_LAB_FIRST_PROCESS"
"""The environment variable with the id of the process that started this one and decides for it when to stop."""

_ONE_REQUEST = 0.2
"""Seconds in which the same signal counts once: `timeout` sends it to the process and to its group."""


class StoppedError(BaseException):
    """The command was asked to stop by a signal.

    No `Exception`, as KeyboardInterrupt is none: no `except Exception` of a library may swallow it.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message, signal_number)
        self.message, self.exit_code = message, exit_code_of(signal_number)

    def __str__(self) -> str:
        return self.message


def exit_code_of(number: int) -> int:
    """Return 130 for Ctrl-C and 143 for every other signal that asks to stop."""
    return 130 if number == signal.SIGINT else 143


def say(text: str) -> None:
    """Write one line to stderr; if the terminal is gone, it and later ones go nowhere instead of failing the run."""
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except RuntimeError:  # a signal came in the middle of another line
        os.write(2, f"{text}\n".encode())
    except (OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        with contextlib.suppress(OSError):
            if os.path.sameopenfile(1, 2):
                os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)


def leave(number: int) -> None:
    """Reaction: end the process on the spot. For phases in which nothing is under way, such as imports."""
    say(f"error: stopped by {signal.Signals(number).name}")
    os._exit(exit_code_of(number))


def unwind(number: int) -> None:
    """Reaction: raise `StoppedError`, so that locks and temporary files go."""
    raise StoppedError(f"stopped by {signal.Signals(number).name}", number)


def call(line: list[str], **settings: Any) -> int:
    """Run a program and return its exit code; when this process is asked to stop, the program is, and waited for."""
    # a group of its own: Ctrl-C reaches it by us only, for a second signal would make it leave at once
    with subprocess.Popen(line, process_group=0, **settings) as process:
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            raise


class _Requests:
    """The signals that came: which of them is a second request, if there is such a thing."""

    def __init__(self, *, insists: bool) -> None:
        self.insists = insists
        self.first: tuple[int, float] | None = None

    def is_second(self, number: int) -> bool:
        now = time.monotonic()
        if self.first is None:
            self.first = number, now
            return False
        return self.insists and (number != self.first[0] or now - self.first[1] > _ONE_REQUEST)


class _Listener:
    """The handlers of this process, and a thread that sees a signal although the main thread is busy."""

    def __init__(
        self,
        reaction: Reaction,
        patience: float | None,
        numbers: Sequence[int] = SIGNALS,
        *,
        insists: bool = True,
    ):
        self.process = os.getpid()
        self.reaction, self.patience = reaction, patience
        self.requests = _Requests(insists=insists)
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.writer, False)
        self.before: dict[int, Any] = {}
        for number in numbers:
            handler = signal.getsignal(number)
            if number != getattr(signal, "SIGHUP", None) or handler is not signal.SIG_IGN:  # nohup
                self.before[number] = handler
                signal.signal(number, self.handle)
        self.wakeup_before = signal.set_wakeup_fd(self.writer, warn_on_full_buffer=False)
        threading.Thread(target=self.watch, name="stop-signals", daemon=True).start()

    def handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if os.getpid() != self.process:  # forked: its parent decides
            if number == signal.SIGTERM:
                os._exit(exit_code_of(number))
        elif self.requests.first is None:
            self.requests.is_second(number)
            if FIRST_PROCESS not in os.environ:
                self.reaction(number)
        elif self.requests.is_second(number):
            os._exit(exit_code_of(number))

    def watch(self) -> None:
        """Leave at a second signal, or when the main thread does not get to the first one."""
        seen = _Requests(insists=self.requests.insists)
        while numbers := os.read(self.reader, 64):
            for number in numbers:
                if number in SIGNALS and seen.is_second(number):
                    time.sleep(0.05)  # the main thread does this better, if it can
                    os._exit(exit_code_of(number))
            if seen.first is None or self.requests.first is not None or self.patience is None:
                continue
            if not select.select([self.reader], [], [], self.patience)[0] and (
                self.requests.first is None and self.patience is not None
            ):
                leave(seen.first[0])
        os.close(self.reader)

    def close(self) -> None:
        signal.set_wakeup_fd(self.wakeup_before)
        for number, handler in self.before.items():
            signal.signal(number, handler)
        os.close(self.writer)


_listener: _Listener | None = None
_of_threads: dict[int, Reaction] = {}
"""The reactions of other threads than the main one; Python runs no handler in them."""


def _forget_in_fork() -> None:
    """Keep a forked process from writing its signals into its parent's pipe."""
    if _listener is not None:
        with contextlib.suppress(ValueError):  # forked by another thread than the main one
            signal.set_wakeup_fd(-1)


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forget_in_fork)


def refuse_windows() -> None:
    """End a command on Windows with one line and exit code 5: signals, locks and renames are not the same there."""
    if sys.platform == "win32":
        say(
            "error: seq2seq-lab runs on Linux and macOS; on Windows use it inside WSL: wsl --install"
        )
        raise SystemExit(5)


def received() -> int | None:
    """Return the number of the signal that asked this process to stop, or None."""
    return (
        None
        if _listener is None or _listener.requests.first is None
        else _listener.requests.first[0]
    )


@contextlib.contextmanager
def listening(
    reaction: Reaction = unwind,
    patience: float | None = 5.0,
    numbers: Sequence[int] = SIGNALS,
    *,
    insists: bool = True,
) -> Iterator[None]:
    """Answer signals by `reaction` within the block; outside the main thread, when `stop_thread` says so.

    After `patience` seconds in which the main thread did not get to it, because it is in a C function, the process
    leaves; None waits as long as it takes. `numbers` are heard by the outermost block, which also decides whether a
    second signal `insists`: where a scheduler sends several, none of them may cut short the saving.
    """
    global _listener
    if threading.current_thread() is not threading.main_thread():
        with _listening_in_thread(reaction):
            yield
        return
    outermost = _listener is None or _listener.process != os.getpid()
    if outermost:
        _listener = _Listener(reaction, patience, numbers, insists=insists)
    assert _listener is not None
    before = _listener.reaction, _listener.patience
    _listener.reaction, _listener.patience = reaction, patience
    try:
        yield
    finally:
        _listener.reaction, _listener.patience = before
        if outermost:
            _listener.close()
            _listener = None


@contextlib.contextmanager
def _listening_in_thread(reaction: Reaction) -> Iterator[None]:
    this = threading.get_ident()
    before = _of_threads.get(this, unwind)
    _of_threads[this] = reaction
    try:
        yield
    finally:
        _of_threads[this] = before


def stop_thread(thread: threading.Thread, number: int) -> None:
    """Have a thread answer a signal that the main thread received; what its reaction raises, it raises where it is."""
    import ctypes

    assert thread.ident is not None
    try:
        _of_threads.get(thread.ident, unwind)(number)
    except StoppedError as error:
        text = error.message

        class StoppedHereError(StoppedError):
            """Made by the interpreter, without arguments."""

            def __init__(self) -> None:
                super().__init__(text, number)

        there = ctypes.c_ulong(thread.ident)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(there, ctypes.py_object(StoppedHereError))


def listen_from_now_on() -> None:
    """Answer signals by `leave` until the process ends; the first thing that a program with long imports does."""
    global _listener
    refuse_windows()
    _listener = _Listener(leave, None)
    atexit.register(_ignore)  # the first to be registered is the last to be called


def _ignore() -> None:
    """Let the interpreter end: Python would set the default handlers, and all is done."""
    for number in _listener.before if _listener else ():
        signal.signal(number, signal.SIG_IGN)
