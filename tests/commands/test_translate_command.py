"""`translate` as a user types it, and `evaluate` too, in processes of their own."""

import gzip
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from seq2seq_lab.files import sidecar_of, write_sidecar
from support import in_process_command
from support.in_process_command import (
    LINES,
    learned,
    one_line_error,
    text_of,
)
from support.small_runs import ROOT, rows, run_command

command, trained, expected = (
    in_process_command.command,
    in_process_command.trained,
    in_process_command.expected,
)

# inputs


def test_the_expected_lines_are_not_all_alike(expected):
    assert len(set(expected)) >= 4


def test_standard_input(command, expected):
    assert command("translate", learned(), stdin=text_of(LINES).encode()) == (
        0,
        text_of(expected),
        "note: 2 of 19 source tokens are not in the vocabulary, in 1 of 8 lines: '</s>', '<eos>'\n",
    )


def test_a_dash_is_standard_input(command, expected):
    assert command("translate", learned(), "-", stdin=text_of(LINES).encode())[:2] == (
        0,
        text_of(expected),
    )


def test_the_last_line_end_may_be_missing(command, expected):
    stdin = "\n".join(LINES).encode()
    assert command("translate", learned(), stdin=stdin)[1] == text_of(expected)


@pytest.mark.parametrize("size", [1, 3, 64])
def test_a_file_at_any_batch_size(command, tmp_path, expected, size):
    (tmp_path / "in.txt").write_text(text_of(LINES), encoding="utf-8", newline="\n")
    code, out, _ = command("translate", learned(), tmp_path / "in.txt", "--batch-size", size)
    assert (code, out) == (0, text_of(expected))


def test_a_packed_file(command, tmp_path, expected):
    (tmp_path / "in.gz").write_bytes(gzip.compress(text_of(LINES).encode()))
    assert command("translate", learned(), tmp_path / "in.gz")[:2] == (0, text_of(expected))


def test_a_text(command, expected):
    assert command("translate", learned(), "--text", LINES[3])[:2] == (0, expected[3] + "\n")


def test_an_empty_text_is_an_empty_line(command):
    assert command("translate", learned(), "--text", "")[:2] == (0, "\n")


def test_no_line_in_no_line_out(command):
    assert command("translate", learned(), stdin=b"")[:2] == (0, "")


def test_output_goes_to_a_file(command, tmp_path, expected):
    path = tmp_path / "out.txt"
    code, out, _ = command("translate", learned(), "--output", path, stdin=text_of(LINES).encode())
    assert (code, out) == (0, "")
    assert path.read_bytes().decode() == text_of(expected)


def test_over_long_lines_are_cut_and_reported(command):
    code, out, err = command("translate", learned(), stdin=b"1 " * 300 + b"\n1\n")
    assert (code, out.count("\n")) == (0, 2)
    assert "1 of 2 lines were over 200 tokens and cut" in err


# mistakes


def test_lines_before_a_broken_one_are_written(command, expected):
    stdin = text_of(LINES[:2]).encode() + b"1 \xff 2\n0 1\n"
    found = command("translate", learned(), stdin=stdin)
    assert "standard input:3:3" in one_line_error(found, 3)
    assert found[1] == text_of(expected[:2])


def test_file_and_text_together_are_refused(command):
    one_line_error(command("translate", learned(), "in.txt", "--text", "1"), 2)


def test_a_batch_size_of_zero_is_refused(command):
    assert "must be >= 1" in one_line_error(command("translate", learned(), "--batch-size", 0), 2)


def test_a_missing_input_file_is_reported(command):
    assert "no such file" in one_line_error(command("translate", learned(), "nothing.txt"), 3)


def test_a_missing_checkpoint_is_reported(command):
    assert "no such checkpoint" in one_line_error(command("translate", "nothing.ckpt"), 6)


def test_a_folder_without_checkpoint_is_reported(command, tmp_path):
    assert "no checkpoints/best.ckpt" in one_line_error(command("translate", tmp_path), 6)


@pytest.fixture
def copied(tmp_path):
    """A copy of the checkpoint and its checksum."""
    best = learned() / "checkpoints" / "best.ckpt"
    for path in (best, sidecar_of(best)):
        shutil.copy(path, tmp_path / path.name)
    return tmp_path / "best.ckpt"


def test_a_flipped_bit_is_found(command, copied):
    content = bytearray(copied.read_bytes())
    content[len(content) // 2] ^= 1
    copied.write_bytes(content)
    assert "SHA-256" in one_line_error(command("translate", copied), 6)


@pytest.mark.parametrize("with_checksum", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_checkpoint_is_found(command, copied, share, with_checksum):
    content = copied.read_bytes()
    copied.write_bytes(content[: int(share * len(content))])
    if not with_checksum:
        sidecar_of(copied).unlink()
    one_line_error(command("translate", copied), 6)


FOREIGN = {
    "text": b"hello, this is no checkpoint\n",
    "zeros": b"\0" * 5000,
    "json": b'{"a": 1}',
    "zip": b"PK\x03\x04" + b"\0" * 100,
    "gzip": gzip.compress(b"hello"),
    "utf-16": "hello".encode("utf-16"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_another_kind_of_file_is_reported(command, tmp_path, name):
    path = tmp_path / "best.ckpt"
    path.write_bytes(FOREIGN[name])
    one_line_error(command("translate", path), 6)


@pytest.mark.parametrize("content", [{"state_dict": {}}, [1, 2], torch.zeros(3)])
def test_a_checkpoint_of_another_program_is_reported(command, tmp_path, content):
    torch.save(content, tmp_path / "best.ckpt")
    one_line_error(command("translate", tmp_path / "best.ckpt"), 6)


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["pickle", "torch", "torch with a checksum"])
def test_code_in_a_checkpoint_is_refused_and_not_run(command, tmp_path, kind):
    path, trace = tmp_path / "best.ckpt", tmp_path / "executed"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Hostile(trace), protocol=2))
    else:
        torch.save({"seq2seq_lab": Hostile(trace)}, path)
    if kind.endswith("checksum"):
        write_sidecar(path)
    one_line_error(command("translate", path), 7)
    assert not trace.exists()


def test_a_foreign_target_in_the_stored_config_is_refused(command, tmp_path, copied):
    checkpoint = torch.load(copied, weights_only=True)
    checkpoint["seq2seq_lab"]["config"]["decoding"] = {"_target_": "os.system", "command": "true"}
    torch.save(checkpoint, copied)
    write_sidecar(copied)
    one_line_error(command("translate", copied, "--text", "1"), 7)


def test_weights_that_do_not_fit_the_config_are_reported(command, copied):
    checkpoint = torch.load(copied, weights_only=True)
    checkpoint["state_dict"].popitem()
    torch.save(checkpoint, copied)
    write_sidecar(copied)
    assert "do not fit" in one_line_error(command("translate", copied, "--text", "1"), 6)


# in processes of their own


def test_a_moved_run_gives_the_same_hypotheses_in_a_fresh_process(tmp_path):
    """O21: bit for bit, wherever the folder lies and whatever the working folder is."""
    moved = tmp_path / "moved elsewhere"
    shutil.copytree(learned(), moved)
    found = rows(learned() / "hypotheses" / "test.jsonl")
    source, reference = (text_of(r[name] for r in found) for name in ("source", "reference"))
    (tmp_path / "s").write_text(source)
    (tmp_path / "r").write_text(reference)
    done = run_command("translate", moved, stdin=source.encode(), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == text_of(r["hypothesis"] for r in found)
    done = run_command(
        "evaluate", moved, "s", "r", "--output", "o", cwd=tmp_path, PYTHONHASHSEED="5"
    )
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path / "o" / "hypotheses.jsonl") == found


def test_a_reader_that_goes_away_is_no_error():
    line = f"{sys.executable} -m seq2seq_lab translate '{learned()}' --batch-size 1 2>&1 >&3 | cat"
    script = f"set -o pipefail; {{ yes '0 1 2' | head -500 | {line}; }} 3>&1 | head -1"
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, capture_output=True, check=False, timeout=100
    )
    assert done.stderr == b""
    assert done.stdout.count(b"\n") == 1
    assert b"rror" not in done.stdout
