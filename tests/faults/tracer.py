"""Kills a child at each of its system calls, by ptrace: at the entry and at the exit of every call."""

import ctypes
import functools
import os
import signal
from collections.abc import Callable
from pathlib import Path

from faults.row import SkippedError

_TRACEME, _SYSCALL, _SETOPTIONS = 0, 24, 0x4200
_KILL_WITH_TRACER = 0x100000
_LIBRARY = ctypes.CDLL(None, use_errno=True)


def _ptrace(request: int, pid: int = 0, data: int = 0) -> int:
    _LIBRARY.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    return _LIBRARY.ptrace(request, pid, None, data)


def killed_at(stop: int | None, action: Callable[[], object], folder: Path) -> int:
    """Fork, call `action` in the folder and kill the child at its n-th stop; None lets it end.

    Returns how many stops it made. Raises `AssertionError` if it ends by itself with an error.
    """
    pid = os.fork()
    if pid == 0:
        try:
            os.chdir(folder)
            if _ptrace(_TRACEME) != 0:
                os._exit(71)
            os.kill(os.getpid(), signal.SIGSTOP)
            action()
            os._exit(0)
        finally:
            os._exit(70)
    stops, signal_to_give = -1, 0
    while True:
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            break
        got = os.WSTOPSIG(status)
        signal_to_give = 0 if got in (signal.SIGTRAP, signal.SIGSTOP) else got
        stops += got == signal.SIGTRAP or stops < 0
        if stops == 0:
            _ptrace(_SETOPTIONS, pid, _KILL_WITH_TRACER)
        if stop is not None and stops == stop:
            os.kill(pid, signal.SIGKILL)
        else:
            _ptrace(_SYSCALL, pid, signal_to_give)
    code = os.waitstatus_to_exitcode(status)
    if code == 71:
        raise SkippedError("ptrace is not permitted here")
    assert code in (0, -signal.SIGKILL), f"ended with {code}"
    return stops


@functools.cache
def need_ptrace() -> None:
    """Raise `SkippedError` where a process may not trace its child."""
    if killed_at(None, os.getpid, Path("/")) < 2:
        raise SkippedError("ptrace is not permitted here")
