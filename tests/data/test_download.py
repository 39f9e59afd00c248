"""Downloads against a real server: the right bytes at the right place, or nothing."""

import hashlib
import socket

import pytest

from seq2seq_lab.data import download
from seq2seq_lab.data.download import cache_folder, fetch
from seq2seq_lab.errors import DataError, ResourceError, UnsafeError
from support.local_server import serve

GOOD = hashlib.sha256(b"the right bytes").hexdigest()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve({"good": b"the right bytes"}) as served:
        yield served


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "file"


def assert_nothing_left(path):
    assert not path.parent.exists() or list(path.parent.iterdir()) == []


def test_right_bytes_arrive(server, path):
    assert fetch(f"{server[0]}/good", GOOD, path).read_bytes() == b"the right bytes"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_second_time_asks_nobody(server, path):
    for _ in range(2):
        fetch(f"{server[0]}/good", GOOD, path)
    assert server[1].requests == ["/good"]


def test_damaged_cache_is_replaced(server, path):
    path.parent.mkdir()
    path.write_bytes(b"damaged")
    assert fetch(f"{server[0]}/good", GOOD, path).read_bytes() == b"the right bytes"


def check_wrong_hash(server, path):
    with pytest.raises(
        UnsafeError, match=f"has SHA-256 {GOOD}, expected 000.*it was deleted"
    ) as caught:
        fetch(f"{server[0]}/good", "0" * 64, path)
    assert caught.value.exit_code == 7
    assert_nothing_left(path)


def test_wrong_hash_is_refused_and_nothing_kept(server, path):
    check_wrong_hash(server, path)


def test_planted_unchecked_hash_is_caught(server, path, monkeypatch):
    monkeypatch.setattr(
        download, "_download", lambda url, file, *_: file.write(b"evil") and "0" * 64
    )
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        check_wrong_hash(server, path)


def test_cut_body_is_reported(server, path):
    with pytest.raises(DataError, match=r"cut off after 500 of 1000 bytes|IncompleteRead"):
        fetch(f"{server[0]}/cut", GOOD, path)
    assert_nothing_left(path)


def test_missing_file_on_the_server_is_reported(server, path):
    with pytest.raises(DataError, match="the server answers 404 Not Found; take this"):
        fetch(f"{server[0]}/absent", GOOD, path, advice="take this")
    assert_nothing_left(path)


def test_hanging_server_is_given_up(server, path):
    with pytest.raises(DataError, match=r"cannot be downloaded: .*timed out"):
        fetch(f"{server[0]}/hang", GOOD, path, timeout=0.2)


def test_dripping_server_is_given_up(server, path):
    with pytest.raises(DataError, match="too slow, given up after"):
        fetch(f"{server[0]}/drip", GOOD, path, deadline=0.2)
    assert_nothing_left(path)


def test_too_many_bytes_are_refused(server, path):
    with pytest.raises(UnsafeError, match="more than 10 bytes, refused"):
        fetch(f"{server[0]}/good", GOOD, path, max_bytes=10)
    assert_nothing_left(path)


def test_closed_port_is_reported(path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/good"
        with pytest.raises(DataError, match=r"cannot be downloaded: .*refused"):
            fetch(url, GOOD, path)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/a", "/etc/passwd", ""])
def test_other_addresses_are_refused(url, path):
    with pytest.raises(UnsafeError, match="only http and https"):
        fetch(url, GOOD, path)


def test_broken_address_is_reported(path):
    with pytest.raises(DataError, match="cannot be downloaded"):
        fetch("http://[::1/x", GOOD, path)


def test_folder_that_cannot_be_made_is_reported(server, tmp_path):
    (tmp_path / "cache").write_bytes(b"a file is in the way")
    with pytest.raises(ResourceError, match="set SEQ2SEQ_LAB_CACHE"):
        fetch(f"{server[0]}/good", GOOD, tmp_path / "cache" / "file")


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("SEQ2SEQ_LAB_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path


def test_cache_folder_lies_in_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("SEQ2SEQ_LAB_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "seq2seq-lab"
