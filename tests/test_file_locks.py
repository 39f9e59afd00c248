"""Locks by files: one holder, free when it is killed, and what disks with other locks make of them."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seq2seq_lab import files
from seq2seq_lab.errors import ResourceError

HOLD = """
import sys
from pathlib import Path
from seq2seq_lab.files import acquire
lock = acquire(Path(sys.argv[1]))
print(lock is not None, flush=True)
sys.stdin.read()
"""


def a_killed_process_frees_its_lock(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"True\n"
        assert files.acquire(path) is None
        holder.kill()
        holder.wait()
    lock = files.acquire(path, 1.0)
    assert lock is not None
    lock.release()


def test_a_lock_has_one_holder_and_is_free_when_its_process_is_killed(tmp_path):
    a_killed_process_frees_its_lock(tmp_path / "locks" / "a.lock")


def test_planted_lock_by_the_existence_of_its_file_is_caught(tmp_path, monkeypatch):
    real = files.acquire
    monkeypatch.setattr(
        files, "acquire", lambda path, seconds=0.0: None if path.exists() else real(path, seconds)
    )
    with pytest.raises(AssertionError):
        a_killed_process_frees_its_lock(tmp_path / "a.lock")


def test_a_lock_can_be_asked_for_without_touching_it(tmp_path):
    path = tmp_path / "lock"
    assert not files.is_held(path)
    assert not path.exists()
    path.write_text("left behind")
    assert not files.is_held(path)
    with files.locked(path, "wait"):
        text = path.read_text()
        assert files.is_held(path)
        assert path.read_text() == text
    os.mkfifo(tmp_path / "pipe")
    assert not files.is_held(tmp_path / "pipe")


NETWORK_DISK = """
import errno, fcntl, os
real = fcntl.flock
def flock(handle, operation):
    code = {code}
    if code:
        raise OSError(code, os.strerror(code))
    if operation & fcntl.LOCK_EX and fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return real(handle, operation)
fcntl.flock = flock
"""
"""A disk whose `flock` fails with the code; 0 is NFS, on which a file must be open for writing to be locked."""


def on_network_disk(code: int, monkeypatch) -> str:
    """Let locks of this process behave so; return the lines that do it in another one."""
    found = {}
    exec(NETWORK_DISK.format(code=code), found)
    found["fcntl"].flock = found["real"]
    monkeypatch.setattr("fcntl.flock", found["flock"])
    return NETWORK_DISK.format(code=code)


def test_a_lock_on_nfs_can_be_asked_for(tmp_path, monkeypatch):
    on_network_disk(0, monkeypatch)
    (tmp_path / "lock").write_text("")
    assert not files.is_held(tmp_path / "lock")
    with files.held(tmp_path / "lock"):
        assert files.is_held(tmp_path / "lock")
    left = tmp_path / ".old.txt.seq2seq-lab-abcdefgh.tmp"
    left.write_text("ha")
    files.delete_left_behind(tmp_path)
    assert not left.exists()


def test_planted_lock_of_a_file_that_is_only_read_is_caught(tmp_path, monkeypatch):
    flags = os.O_RDONLY | os.O_NOFOLLOW
    monkeypatch.setattr(files, "_opened_for_lock", lambda path: os.open(path, flags))
    with pytest.raises(AssertionError):
        test_a_lock_on_nfs_can_be_asked_for(tmp_path, monkeypatch)


def test_without_flock_a_lock_of_a_dead_process_of_another_machine_stays(tmp_path, monkeypatch):
    lines = on_network_disk(errno.ENOSYS, monkeypatch)
    path = tmp_path / "a.lock"
    line = [sys.executable, "-c", lines + HOLD, path]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"True\n"
        with pytest.warns(UserWarning, match="flock"):
            assert files.acquire(path) is None
        holder.kill()
    with pytest.warns(UserWarning, match="flock"), files.held(path, 5.0) as is_ours:
        assert is_ours  # its process was one of this machine
    path.write_text("1\nanother-machine\n")
    with pytest.warns(UserWarning, match="flock"):
        assert files.acquire(path, 0.2) is None
    path.unlink()
    with pytest.warns(UserWarning, match="flock"):
        files.acquire(path).release()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_locks_that_do_not_work_are_one_clear_error(tmp_path, monkeypatch, code):
    on_network_disk(code, monkeypatch)
    with pytest.raises(ResourceError, match="file locks do not work on this disk"):
        files.acquire(tmp_path / "a.lock")


def test_a_lock_is_waited_for_as_long_as_wished(tmp_path):
    with files.held(tmp_path / "a.lock") as first:
        began = time.monotonic()
        with files.held(tmp_path / "a.lock", 0.3) as second:
            assert (first, second) == (True, False)
        assert time.monotonic() - began >= 0.3
    with files.held(tmp_path / "a.lock") as again:
        assert again
