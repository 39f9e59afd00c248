"""SCAN from a folder and from a (local) server; its validation part; lines that are no commands."""

import hashlib
import os
from pathlib import Path

import pytest

from seq2seq_lab.data import scan
from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.scan import FILES, SHA256, Scan
from seq2seq_lab.errors import DataError, UnsafeError
from support.local_server import serve

DATA = (
    Path(os.environ.get("SEQ2SEQ_LAB_DATA") or Path(__file__).parents[3] / "shared" / "data")
    / "scan"
)
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no SCAN files; set SEQ2SEQ_LAB_DATA")
TRAIN = "IN: jump OUT: I_JUMP\n" * 30 + "".join(
    f"IN: walk {side} {count} OUT: I_TURN I_WALK {count}\n"
    for side in "abcde"
    for count in "12345678"
)
TEST = "IN: jump twice OUT: I_JUMP I_JUMP\n"


@pytest.fixture(params=["flat", "as in the repository"])
def root(request, tmp_path):
    for folder, name in FILES.values():
        place = tmp_path if request.param == "flat" else tmp_path / folder
        place.mkdir(exist_ok=True)
        (place / f"tasks_train_{name}.txt").write_text(TRAIN)
        (place / f"tasks_test_{name}.txt").write_text(TEST)
    return str(tmp_path)


@pytest.mark.parametrize("split", FILES)
def test_a_folder_is_read_flat_or_as_in_the_repository(root, split):
    corpus = Scan(split, root, val_fraction=0.1)
    text = corpus.read()
    assert [len(text.train), len(text.val), len(text.test)] == [66, 4, 1]
    assert text.test == [Pair("jump twice", "I_JUMP I_JUMP")]
    assert [path.name for path in corpus.paths()] == [
        f"tasks_{part}_{FILES[split][1]}.txt" for part in ("train", "test")
    ]


def test_commands_of_one_word_stay_in_training_and_no_source_is_in_two_parts(root):
    text = Scan("add_jump", root, val_fraction=0.9).read()
    assert sum(pair.source == "jump" for pair in text.train) == 30
    assert len(text.val) == 36
    assert not {p.source for p in text.train} & {p.source for p in text.val}


@pytest.mark.parametrize(
    "line",
    ["jump OUT: I_JUMP", "IN: jump", "IN: jump OUT:", "IN: OUT: I_JUMP", "IN: jump IN: OUT I"],
)
def test_a_line_that_is_no_command_is_reported(tmp_path, line):
    (tmp_path / "tasks_train_simple.txt").write_text(f"{TRAIN}\n{line}\n")
    with pytest.raises(DataError, match=r"tasks_train_simple\.txt:72: expected `IN: command OUT"):
        Scan(root=str(tmp_path)).read()


def test_blank_lines_are_counted_and_an_empty_file_refused(root):
    (path := next(Path(root).rglob("tasks_test_length.txt"))).write_text(f"\n{TEST}")
    assert Scan("length", root).read().dropped == {"test": {"blank line": 1}}
    path.write_text("\n")
    with pytest.raises(DataError, match=r"tasks_test_length\.txt: no command in it"):
        Scan("length", root).read()


def test_a_folder_without_the_files_is_reported(tmp_path):
    with pytest.raises(
        DataError, match=r"holds neither tasks_train_addprim_jump\.txt nor add_prim"
    ):
        Scan("add_jump", str(tmp_path)).read()
    with pytest.raises(DataError, match="no such folder"):
        Scan("add_jump", str(tmp_path / "none")).read()


@pytest.fixture
def published(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("SEQ2SEQ_LAB_CACHE", str(tmp_path))
    with serve({}) as (url, server):
        for part, text in (("train", TRAIN), ("test", TEST)):
            name = f"tasks_{part}_addprim_jump.txt"
            server.files[name] = text.encode()
            monkeypatch.setitem(scan.SHA256, name, hashlib.sha256(text.encode()).hexdigest())
        yield url, server


def test_files_are_downloaded_once(published):
    for _ in range(2):
        assert len(Scan("add_jump", url=published[0]).read().test) == 1
    assert published[1].requests == [
        f"/add_prim_split/tasks_{part}_addprim_jump.txt" for part in ("train", "test")
    ]


def test_a_changed_file_on_the_server_is_refused(published):
    published[1].files["tasks_test_addprim_jump.txt"] = b"IN: evil OUT: EVIL\n"
    with pytest.raises(UnsafeError, match=r"addprim_jump\.txt: the download has SHA-256"):
        Scan("add_jump", url=published[0]).read()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"val_fraction": 0.0}, "val_fraction=0.0: must be > 0"),
        ({"val_fraction": 1.0}, "val_fraction=1.0: must be >= 0 and < 1"),
        ({"timeout": 0.0}, "timeout=0.0: must be > 0"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Scan(**settings)


@needs_data
def test_pinned_sums_are_those_of_the_files():
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in DATA.glob("t*.txt")
    }
    assert found
    assert found.items() <= SHA256.items()


@needs_data
@pytest.mark.parametrize(
    ("split", "train", "test"), [("simple", 16728, 4182), ("length", 16990, 3920)]
)
def test_the_published_sizes(split, train, test):
    text = Scan(split, str(DATA)).read()
    assert (len(text.train) + len(text.val), len(text.test)) == (train, test)
    longest = [max(len(p.target.split()) for p in part) for part in (text.train, text.test)]
    assert longest == ([22, 48] if split == "length" else [48, 48])
