"""translate.py loses no file, and says which words it does not know."""

import json
import shutil

import pytest

from seq2seq_lab.files import sha256_of, sidecar_of
from support import in_process_command
from support.in_process_command import LINES, learned, one_line_error, text_of

command, trained, expected = (
    in_process_command.command,
    in_process_command.trained,
    in_process_command.expected,
)


@pytest.fixture
def place(tmp_path):
    """A copy of the run with a source, a prefix file and an older output beside it."""
    shutil.copytree(learned(), tmp_path / "run")
    (tmp_path / "in.txt").write_text(text_of(LINES[:3]))
    (tmp_path / "prefix.txt").write_text("\n\n\n")
    (tmp_path / "out.txt").write_text("older\n")
    (tmp_path / "link").symlink_to(tmp_path / "run" / "checkpoints" / "best.ckpt")
    return tmp_path


def state_of(folder):
    return {p: sha256_of(p) for p in folder.rglob("*") if p.is_file()}


BAD = {
    "the checkpoint": (["run", "in.txt", "--output", "run/checkpoints/best.ckpt"], 2, "is the input"),
    "a link to it": (["run", "in.txt", "--output", "link"], 2, "is the input"),
    "its checksum file": (["run", "in.txt", "--output", "run/checkpoints/best.ckpt.sha256.json"], 2, "is the input"),
    "another file of the run": (["run", "in.txt", "--output", "run/config.yaml"], 2, "is the input"),
    "the source": (["run", "in.txt", "--output", "in.txt"], 2, "is the input"),
    "the prefix file": (["run", "in.txt", "--prefix-file", "prefix.txt", "--output", "prefix.txt"], 2, "is the input"),
    "a member of the ensemble": (
        ["run/checkpoints/last.ckpt", "in.txt", "--output", "link", "--ensemble", "run/checkpoints/best.ckpt"],
        2, "is the input"),
    "no input": (["run", "none.txt", "--output", "out.txt"], 3, "none.txt: no such file"),
    "no prefix file": (["run", "in.txt", "--prefix-file", "none", "--output", "out.txt"], 3, "none: no such file"),
    "a source that is no text": (["run", "link", "--output", "out.txt"], 3, "link"),
    "a prefix file that is too short": (
        ["run", "in.txt", "--prefix-file", "run/seed", "--output", "out.txt"], 3, "not as many lines"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_leaves_every_file_as_it_was(command, place, monkeypatch, name):
    monkeypatch.chdir(place)
    (place / "run" / "seed").write_text("\n")
    before = state_of(place)
    arguments, code, says = BAD[name]
    assert says in one_line_error(command("translate", *arguments), code)
    assert state_of(place) == before


def test_a_line_that_cannot_be_read_after_good_ones_keeps_the_older_output(command, place):
    lines = b"0 1 2\n" * 20 + b"\xff\n"
    before = state_of(place)
    found = command("translate", place / "run", "--output", place / "out.txt", stdin=lines)
    assert "not UTF-8" in one_line_error(found, 3)
    assert state_of(place) == before


def test_the_output_is_written_again(command, place, expected):
    arguments = (place / "run", place / "in.txt", "--output", place / "out.txt")
    assert command("translate", *arguments)[0] == 0
    assert (place / "out.txt").read_text() == text_of(expected[:3])
    assert not list(place.glob(".*.tmp"))


def test_unknown_words_are_reported_and_marked(command, place):
    source = "0 foo 1\n2 3\nbar foo\n"
    code, out, err = command("translate", place / "run", "--jsonl", stdin=source.encode())
    assert code == 0
    assert err == (
        "note: 3 of 7 source tokens are not in the vocabulary, in 2 of 3 lines: 'foo' (2 times), 'bar'\n"
    )
    marked = [json.loads(line)["unknown_source_tokens"] for line in out.splitlines()]
    assert marked == [["foo"], [], ["bar", "foo"]]


def test_evaluate_keeps_its_inputs_and_stores_the_count_of_unknown_words(command, place):
    (place / "in.txt").write_text("0 foo 1\n2 3\n")
    shutil.copy(place / "in.txt", place / "ref.txt")
    before = state_of(place / "run")
    found = command(
        "evaluate", place / "run", place / "in.txt", place / "ref.txt", "--output", place / "e"
    )
    assert found[0] == 0
    numbers = json.loads((place / "e" / "metrics.json").read_text())
    assert (numbers["source_tokens"], numbers["unknown_source_tokens"]) == (5, 1)
    assert state_of(place / "run") == before


def test_average_never_replaces_a_file_of_the_run(command, place):
    checkpoints = place / "run" / "checkpoints"
    before = state_of(place)
    for output in ("best.ckpt", "last.ckpt", "best.ckpt.sha256.json"):
        found = command("average", checkpoints / "last.ckpt", "--output", checkpoints / output)
        one_line_error(found, 2)
    assert state_of(place) == before
    assert sidecar_of(checkpoints / "best.ckpt").exists()
