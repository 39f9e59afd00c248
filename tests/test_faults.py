"""A slice of the fault battery (`make faults`), and bugs planted in what it watches, which it must catch."""

import contextlib
import re
from pathlib import Path

import pytest
import torch

from faults.row import Attempts, Scale, SkippedError, cases
from faults.rows import damage, io_errors, kills, saves
from faults.run import load_rows
from seq2seq_lab import files
from seq2seq_lab.errors import ResourceError
from seq2seq_lab.inference.checkpoint_seal import read_seal
from support.small_runs import run_script

ROWS = ["saves", "kills", "resume", "io", "damage", "signals", "inputs", "hostile"]


def test_a_slice_of_the_battery_survives():
    done = run_script("tests/faults/run.py", "--size", "slice", "--jobs", "1", timeout=280)
    text = done.stdout.decode()
    assert done.returncode == 0, text + done.stderr.decode()
    assert [row for row in ROWS if not re.search(rf"^\| {row}\b", text, re.MULTILINE)] == []
    tried, survived = re.search(r"faults: ([\d,]+) tried, ([\d,]+) survived", text).groups()
    assert tried == survived


def test_every_case_has_a_name_of_its_own():
    load_rows()
    for size in ("full", "fast", "slice"):
        labels = [case.label for case in cases(Scale(size))]
        assert len(labels) == len(set(labels))
        assert all(label in [c.label for c in cases(Scale(size), label)] for label in labels)
    assert {label.partition(":")[0] for label in labels} == set(ROWS)
    two = [
        case.label
        for case in cases(Scale("full"), "inputs:overrides, part 61,hostile:pickles, bare")
    ]
    assert two == ["hostile:pickles, bare", "inputs:overrides, part 61"]


def test_a_failure_is_counted_wherever_it_is_raised():
    attempts = Attempts()
    for error in (AssertionError("torn"), KeyError("x"), SkippedError("no ptrace")):
        with attempts.one("here:"):
            raise error
    assert (attempts.tried, len(attempts.failures), attempts.skipped) == (2, 2, ["no ptrace"])
    assert re.fullmatch(r"here: AssertionError at test_faults\.py:\d+: torn", attempts.failures[0])


# planted bugs


def failures_of(battery, *arguments) -> str:
    attempts = Attempts()
    try:
        battery(*arguments, attempts)
    except SkippedError as reason:
        pytest.skip(str(reason))
    except AssertionError as error:  # outside of an attempt
        attempts.failures.append(str(error))
    return "\n".join(attempts.failures)


def killed(name: str, folder: Path, step: int = 2) -> str:
    return failures_of(lambda a: saves.kill_at_every_call(saves.WRITES[name], folder, a, step))


def test_planted_write_in_place_is_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "write_atomically", lambda path, write, **_: write(path))
    assert "JSONDecodeError" in killed("json", tmp_path)


def test_planted_temporary_file_left_behind_is_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "delete_left_behind", lambda folder: None)
    assert "left behind after the next write" in killed("json", tmp_path)


def test_planted_checksum_of_the_old_file_is_caught(tmp_path, monkeypatch):
    plain = files.write_atomically

    def keeps_it(path, write, *, just_before=None, size=None):
        plain(path, write, size=size)

    monkeypatch.setattr("seq2seq_lab.training.checkpoint_io.write_atomically", keeps_it)
    assert "SHA-256" in killed("checkpoint", tmp_path, step=4)


def test_planted_error_that_is_swallowed_is_caught(tmp_path, monkeypatch):
    plain = files.write_atomically

    def silent(path, write, **settings):
        with contextlib.suppress(ResourceError):
            plain(path, write, **settings)

    monkeypatch.setattr(files, "write_atomically", silent)
    found = failures_of(io_errors.every_call_fails, "json", io_errors.CODES[0], tmp_path)
    assert "lost in silence" in found


def test_planted_reading_without_the_checksum_is_caught(tmp_path, monkeypatch):
    """Neither the checksum file nor the seal inside is compared."""
    monkeypatch.setattr("seq2seq_lab.inference.checkpoint_file.verify", lambda path: None)
    monkeypatch.setattr("seq2seq_lab.inference.checkpoint_file.check_seal", read_seal)
    found = failures_of(damage.damage_many, "flipped bits", "right", 8, 1, tmp_path)
    assert "READ, BUT OTHER CONTENT" in found


@pytest.mark.slow
def test_planted_resumption_without_the_generators_is_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "set_rng_state", lambda state: None)
    monkeypatch.setattr(kills, "PLACES", {"mid epoch": kills.PLACES["mid epoch"]})
    assert "mid epoch" in failures_of(kills.resume_from_every_place, "lstm", "sampled", 1, tmp_path)
