import errno
import json
import os
import signal
import time
from pathlib import Path

import pytest

from seq2seq_lab import files
from seq2seq_lab.errors import CheckpointError, ResourceError


def old_file(folder: Path) -> Path:
    path = folder / "weights.ckpt"
    path.write_text("old")
    return path


def a_failed_write_keeps_the_old_file(folder: Path) -> None:
    path = old_file(folder)

    def half(temporary: Path) -> None:
        temporary.write_text("ne")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(
        ResourceError, match=r"No space left on device .*bytes free.*the old file is unchanged"
    ):
        files.write_atomically(path, half)
    assert path.read_text() == "old"
    assert [p.name for p in folder.iterdir()] == ["weights.ckpt"]


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_behind(tmp_path):
    a_failed_write_keeps_the_old_file(tmp_path)


def test_planted_write_in_place_is_caught(tmp_path, monkeypatch):
    def in_place(path, write):
        try:
            write(path)
        except OSError as error:
            raise ResourceError(
                f"{error.strerror} (0 bytes free); the old file is unchanged"
            ) from error

    monkeypatch.setattr(files, "write_atomically", in_place)
    with pytest.raises(AssertionError):
        a_failed_write_keeps_the_old_file(tmp_path)


def half_written(folder: Path) -> int:
    """Fork a process that is in the middle of writing old.txt until it is killed; return its number."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:

        def half(temporary: Path) -> None:
            temporary.write_text("ha")
            os.write(writer, b"x")
            time.sleep(60)

        files.write_atomically(folder / "old.txt", half)
        os._exit(0)
    os.read(reader, 1)
    os.close(reader)
    os.close(writer)
    return pid


def test_what_a_killed_process_left_half_written_goes_with_the_next_write_in_its_folder(tmp_path):
    pid = half_written(tmp_path)
    try:
        files.write_text(tmp_path / "a.txt", "new")
        assert len(list(tmp_path.iterdir())) == 2  # the process lives: what it writes stays
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    (tmp_path / ".foreign.abcdefgh.tmp").touch()
    files.write_text(tmp_path / "a.txt", "newer")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".foreign.abcdefgh.tmp", "a.txt"]


def test_an_error_after_the_rename_does_not_say_that_the_old_file_is_there(tmp_path, monkeypatch):
    def broken(folder: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files, "sync_path", broken)
    path = old_file(tmp_path)
    with pytest.raises(ResourceError, match="the new file is in its place"):
        files.write_text(path, "new")
    assert path.read_text() == "new"


def test_another_error_passes_through_and_keeps_the_old_file(tmp_path):
    path = old_file(tmp_path)

    def broken(temporary: Path) -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        files.write_atomically(path, broken)
    assert [p.name for p in tmp_path.iterdir()] == ["weights.ckpt"]


def test_the_content_is_on_disk_before_the_name(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("fsync"), fsync(handle)))
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (order.append("rename"), replace(self, to))
    )
    files.write_text(tmp_path / "a.txt", "new")
    assert order == ["fsync", "rename", "fsync"]


def test_a_folder_that_is_not_there_is_one_plain_error(tmp_path):
    with pytest.raises(ResourceError, match="cannot write"):
        files.write_text(tmp_path / "absent" / "a.txt", "new")


def test_text_is_written_as_utf8_with_the_line_ends_it_has(tmp_path):
    files.write_text(tmp_path / "a.txt", "ü\r\n\u2028中\n")
    assert (tmp_path / "a.txt").read_bytes() == "ü\r\n\u2028中\n".encode()


def test_json_lines_hold_one_object_per_line_whatever_the_text(tmp_path):
    rows = [{"text": "a\nb\u2028c\r"}, {"text": "中"}]
    files.write_json_lines(tmp_path / "a.jsonl", rows)
    lines = (tmp_path / "a.jsonl").read_bytes().decode().split("\n")
    assert [json.loads(line) for line in lines[:-1]] == rows
    assert lines[-1] == ""


def test_json_refuses_numbers_that_json_has_not(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", {"loss": float("nan")})


def test_sha256_is_the_published_one_of_abc(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert files.sha256_of(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223")


def damage_is_found(path: Path) -> None:
    good = path.read_bytes()
    for bad in (bytes([good[0] ^ 1]) + good[1:], good[:-1], b"\0" * len(good), b""):
        path.write_bytes(bad)
        with pytest.raises(CheckpointError, match="damaged"):
            files.verify(path)
    path.write_bytes(good)
    files.verify(path)


def test_a_flipped_bit_a_cut_and_zeros_are_found(tmp_path):
    path = old_file(tmp_path)
    files.write_sidecar(path, step=7)
    damage_is_found(path)


def test_planted_check_of_the_size_alone_is_caught(tmp_path, monkeypatch):
    path = old_file(tmp_path)
    monkeypatch.setattr(files, "sha256_of", lambda p: str(p.stat().st_size))
    files.write_sidecar(path)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        damage_is_found(path)


def test_a_file_without_a_sidecar_passes(tmp_path):
    files.verify(old_file(tmp_path))


def test_a_sidecar_holds_checksum_size_and_facts(tmp_path):
    path = old_file(tmp_path)
    files.write_sidecar(path, step=7)
    stored = json.loads(files.sidecar_of(path).read_text())
    assert stored == {"sha256": files.sha256_of(path), "bytes": 3, "step": 7}


@pytest.mark.parametrize("content", ["", "[]", "{}", "null"])
def test_a_broken_sidecar_is_named(tmp_path, content):
    path = old_file(tmp_path)
    files.sidecar_of(path).write_text(content)
    with pytest.raises(CheckpointError, match="not a checksum file"):
        files.verify(path)
