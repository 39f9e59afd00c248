"""What a command writes: complete or not at all, and never over an input."""

import os
import stat
import subprocess
import sys
import threading

import pytest

from seq2seq_lab.errors import ConfigError, ResourceError, for_stream, printable
from seq2seq_lab.output import output_file, refuse_same_file


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("older\n")
    return path


def test_the_new_content_takes_the_place_when_the_block_ends(old):
    with output_file(old) as stream:
        stream.write("newer\n")
        stream.flush()
        assert old.read_text() == "older\n"
        assert len(list(old.parent.iterdir())) == 2
    assert old.read_text() == "newer\n"
    assert list(old.parent.iterdir()) == [old]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_after_an_error_the_older_file_is_as_it_was_and_nothing_else_is_left(old, error):
    def fail() -> None:
        with output_file(old) as stream:
            stream.write("half")
            raise error

    with pytest.raises(error):
        fail()
    assert old.read_text() == "older\n"
    assert list(old.parent.iterdir()) == [old]


KILLED = """
import sys, time
from seq2seq_lab.output import output_file
with output_file("out.txt") as stream:
    stream.write("half")
    stream.flush()
    print("ready", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_command_left_goes_with_the_next_output_in_its_folder(old):
    line = [sys.executable, "-c", KILLED]
    with subprocess.Popen(line, stdout=subprocess.PIPE, cwd=old.parent) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        with output_file(old.with_name("other.txt")) as stream:
            stream.write("other\n")
        assert len(list(old.parent.iterdir())) == 3  # it lives: what it writes stays
        process.kill()
        process.wait()
    assert old.read_text() == "older\n"
    with output_file(old) as stream:
        stream.write("newer\n")
    assert sorted(path.name for path in old.parent.iterdir()) == ["other.txt", "out.txt"]


def test_a_link_stays_a_link_and_a_file_keeps_its_permissions(old, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(old)
    old.chmod(0o640)
    with output_file(link) as stream:
        stream.write("newer\n")
    assert link.is_symlink()
    assert (old.read_text(), stat.S_IMODE(old.stat().st_mode)) == ("newer\n", 0o640)


def names_of(path, tmp_path):
    """The same file under other names."""
    symbolic, hard, around = tmp_path / "symbolic", tmp_path / "hard", tmp_path / "folder"
    symbolic.symlink_to(path)
    os.link(path, hard)
    around.mkdir()
    return [path, symbolic, hard, around / ".." / path.name]


def test_an_output_that_is_an_input_is_refused_by_whatever_name(old, tmp_path):
    for name in names_of(old, tmp_path):
        with pytest.raises(ConfigError, match="is the input"), output_file(name, [old]):
            pytest.fail("opened")
    with old.open() as stream, pytest.raises(ConfigError, match="is the input"):
        refuse_same_file(stream, [old])
    refuse_same_file(tmp_path / "new", [old])
    assert old.read_text() == "older\n"


def test_what_cannot_be_written_is_one_line(old, tmp_path):
    for name in (tmp_path, tmp_path / "none" / "out", old / "out", tmp_path / ("x" * 300)):
        with pytest.raises(ResourceError, match="cannot be written"), output_file(name):
            pytest.fail("opened")


def test_devices_and_pipes_are_written_directly(tmp_path):
    with output_file("/dev/null", ["/dev/null"]) as stream:
        stream.write("nowhere")
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    with output_file(pipe) as stream:
        stream.write("through")
    reader.join(30)
    assert read == ["through"]
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_full_disk_is_one_line_and_keeps_the_older_file():
    with pytest.raises(ResourceError, match="No space left"), output_file("/dev/full") as stream:
        stream.write("x" * 100_000)


class Terminal:
    def __init__(self, *, is_one):
        self.is_one = is_one

    def isatty(self):
        return self.is_one


def test_only_a_terminal_gets_control_characters_made_visible():
    text = "a\x1b[31mb\u202ec\ud800\n\td"
    assert printable(text) == "a\\x1b[31mb\\u202ec\\ud800\n\td"
    assert for_stream(text, Terminal(is_one=True)) == printable(text)
    assert for_stream(text, Terminal(is_one=False)) == text
