"""A data set is streamed from the hub (a stand-in on this machine) at one commit, and not further than asked for."""

import json
import os
import subprocess
import sys

import pytest

from seq2seq_lab.data.hugging_face import HuggingFace
from seq2seq_lab.data.report import fingerprint
from support.hub_folders import parquet_folder
from support.hub_server import Repository, environment, hub

pytest.importorskip("datasets", reason="the extra hf is not installed")

CHILD = """
import json, sys
from seq2seq_lab.data.hugging_face import HuggingFace
from seq2seq_lab.data.report import fingerprint
from seq2seq_lab.errors import DataError
for settings in json.load(sys.stdin):
    try:
        text = HuggingFace(columns=["translation.de", "translation.en"], **settings).read()
    except DataError as error:
        print(json.dumps(str(error)))
    else:
        print(json.dumps([text.origin, fingerprint(text.train), fingerprint(text.test)]))
"""
"""Reads in a process of its own: the hub's address is read when its library is imported."""


def read(server, home, *settings):
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps(settings),
        env={**os.environ, **environment(server, home, token="")},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return parquet_folder(tmp_path_factory.mktemp("sets") / "numbers")


@pytest.fixture
def server(folder):
    with hub() as found:
        made = found.repositories["datasets", "lab/numbers"] = Repository()
        files = (path for path in folder.rglob("*") if path.is_file())
        made.commit({path.relative_to(folder).as_posix(): path.read_bytes() for path in files})
        yield found


def test_the_pairs_are_those_of_the_folder_and_the_commit_is_kept(server, folder, tmp_path):
    commit = server.repositories["datasets", "lab/numbers"].sha("main")
    wanted = ({}, {"revision": "nowhere"}, {"repository": "lab/nowhere"})
    found, noted = read(server, tmp_path, *({"repository": "lab/numbers"} | one for one in wanted))
    there, revision, repository = found
    local = HuggingFace(str(folder), columns=["translation.de", "translation.en"]).read()
    assert there[0] == {**local.origin, "repository": "lab/numbers", "commit": commit}
    assert there[1:] == [fingerprint(local.train), fingerprint(local.test)]
    assert noted == (
        f"note: lab/numbers is read at main, now commit {commit}; data.revision={commit} keeps it\n"
    )
    assert "no such revision of it" in revision
    assert "no such data set, or it is private" in repository


def test_a_file_that_is_not_needed_is_not_fetched_and_every_one_is_of_the_commit(server, tmp_path):
    made = server.repositories["datasets", "lab/numbers"]
    commit = made.sha("main")
    made.commit({"data/train-00000-of-00002.parquet": b"another"})
    settings = {"repository": "lab/numbers", "revision": commit, "max_rows": 15}
    ((origin, *_),), noted = read(server, tmp_path, settings)
    assert (origin["rows"], noted) == ({"train": 15, "test": 15}, "")
    fetched = [line for line in server.requests if line.endswith(".parquet")]
    assert all(f"/resolve/{commit}/" in line for line in fetched)
    names = {line.rpartition("/")[2] for line in fetched}
    assert names == {"train-00000-of-00002.parquet", "test-00000-of-00001.parquet"}
