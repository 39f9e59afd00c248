"""Every planted bug still applies to its file, and every property has one. `make mutation` runs the battery itself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import mutation
from mutation import Bug, bugs
from seq2seq_lab.doctor.properties import PROPERTIES

ROOT = mutation.ROOT
EVERY = bugs()


@pytest.mark.parametrize("bug", EVERY, ids=lambda bug: bug.name)
def test_a_planted_bug_still_fits_its_file(bug):
    text = (ROOT / bug.file).read_text(encoding="utf-8")
    assert text.count(bug.old) == 1
    compile(text.replace(bug.old, bug.new), bug.file, "exec")
    assert bug.new not in (bug.old, "")


@pytest.mark.parametrize("bug", [b for b in EVERY if b.tests], ids=lambda bug: bug.name)
def test_what_must_catch_it_exists(bug):
    for selection in bug.tests:
        path, _, function = selection.partition("::")
        assert f"def {function}" in (ROOT / path).read_text(encoding="utf-8")


def test_every_check_of_the_doctor_has_a_planted_bug():
    checked = {bug.red or bug.property for bug in EVERY if bug.doctor}
    assert checked == {one.id for one in PROPERTIES.values() if one.doctor}


def without_a_bug(planted: list[Bug]) -> set[str]:
    return {*PROPERTIES, "C"} ^ {bug.property for bug in planted}


def test_every_property_has_a_planted_bug():
    assert without_a_bug(EVERY) == set()


def test_a_property_without_a_planted_bug_and_a_bug_of_no_property_are_found():
    others = [bug for bug in EVERY if bug.property != "O20"]
    assert without_a_bug(others) == {"O20"}
    assert without_a_bug([*EVERY, Bug("a", "O99", "b", "c", "d")]) == {"O99"}


def test_there_are_many_and_each_has_one_way_to_be_caught():
    assert len({bug.name for bug in EVERY}) == len(EVERY) >= 25
    assert all(bool(bug.tests) != bool(bug.doctor) for bug in EVERY)


# the runner, on a checkout of one file and one test


def checkout(folder: Path, check: str = "assert double(2) == 4") -> Path:
    (folder / "double.py").write_text("def double(n):\n    return 2 * n\n")
    (folder / "test_double.py").write_text(
        f"from double import double\n\n\ndef test_double():\n    {check}\n"
    )
    for line in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", "-C", str(folder), *line], check=True)
    return folder


def table(folder: Path, *patches: tuple[str, str]) -> Path:
    path = folder.parent / "table.toml"
    rows = [
        f'[[bug]]\nname = "bug {i}"\nproperty = "C"\nfile = "double.py"\nold = "{old}"\nnew = "{new}"\n'
        'tests = ["test_double.py"]\n'
        for i, (old, new) in enumerate(patches)
    ]
    path.write_text("\n".join(rows))
    return path


def battery(folder: Path, path: Path) -> tuple[int, str]:
    command = [sys.executable, str(ROOT / "tests" / "mutation.py"), "--workers", "1"]
    done = subprocess.run(
        [*command, "--root", str(folder), "--table", str(path)], capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "checkout").mkdir()
    return checkout(tmp_path / "checkout")


def test_a_bug_that_a_test_notices_is_caught_and_the_checkout_stays_as_it_was(folder):
    code, output = battery(folder, table(folder, ("2 * n", "3 * n")))
    assert (code, "1 of 1 planted bugs caught" in output) == (0, True), output
    assert "2 * n" in (folder / "double.py").read_text()


def test_a_bug_that_no_test_notices_survives(folder):
    code, output = battery(folder, table(folder, ("2 * n", "3 * n"), ("2 * n", "n * 2")))
    assert code == 1
    assert re.search(r"^caught +C +bug 0", output, re.M), output
    assert re.search(r"^SURVIVED +C +bug 1", output, re.M), output


def test_a_bug_that_breaks_the_import_is_not_called_caught(folder):
    assert battery(folder, table(folder, ("2 * n", "2 *")))[0] == 1


def test_a_patch_that_no_longer_fits_is_not_called_caught(folder):
    code, output = battery(folder, table(folder, ("4 * n", "3 * n")))
    assert (code, "stands 0 times" in output) == (1, True), output


def test_a_test_that_fails_without_any_bug_catches_nothing(tmp_path):
    (tmp_path / "red").mkdir()
    folder = checkout(tmp_path / "red", "assert double(2) == 5")
    code, output = battery(folder, table(folder, ("2 * n", "3 * n")))
    assert (code, "fails without any bug" in output) == (2, True), output


def test_the_command_of_a_property_names_it():
    bug = Bug("a", "C", "b", "c", "d", doctor=("model=gru",), red="O6")
    options = ["--models", "5", "--properties", "O6"]
    assert bug.command()[1:] == ["-m", "seq2seq_lab", "doctor", *options, "model=gru"]
