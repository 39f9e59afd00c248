"""rederive.py on a stored study: the numbers of its report are derived from the archive, hostile ones are refused."""

import csv
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from seq2seq_lab.report.page import write_report
from seq2seq_lab.study.stored_study import opened, store
from support.study_folder import Plan, write_study

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "rederive.py"


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a stored study, and its report where the command writes it."""
    place = tmp_path_factory.mktemp("stored")
    plan = Plan(errors={"none": 0.4, "dot": 0.1}, seeds=(1, 2), sentences=10)
    store(write_study(place / "mine", plan), place / "mine.tar.xz")
    with opened(place / "mine.tar.xz") as folder:
        write_report(folder, place=place / "outputs" / "reports" / "mine")
    return place


def rederive(place: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, cwd=place, capture_output=True, text=True)


def test_every_number_of_a_stored_study_is_derived_again(place):
    done = rederive(place, "mine.tar.xz")
    assert (done.returncode, done.stderr) == (0, "")
    right, total = done.stdout.split()[0], done.stdout.split()[2]
    assert right == total
    assert int(total) > 100


def test_a_changed_number_of_a_report_is_found(place, tmp_path):
    (tmp_path / "report").mkdir()
    for path in (place / "outputs" / "reports" / "mine").iterdir():
        (tmp_path / "report" / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "report" / "table.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    rows[2][4] = str(float(rows[2][4]) + 0.01)
    with (tmp_path / "report" / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    done = rederive(place, "mine.tar.xz", str(tmp_path / "report"))
    assert done.returncode == 1
    assert "table.csv, test/exact_match, attention=dot, mean" in done.stdout


def test_what_cannot_be_unpacked_is_one_line(place, tmp_path):
    with tarfile.open(tmp_path / "bad.tar.xz", "w:xz") as tar:
        link = tarfile.TarInfo("runs")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
    (tmp_path / "broken.tar.xz").write_bytes(b"x" * 99)
    for name in ("bad.tar.xz", "broken.tar.xz"):
        done = rederive(tmp_path, name)
        assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    done = rederive(tmp_path, str(place / "mine.tar.xz"))
    assert (done.returncode, "no complete report there" in done.stderr) == (2, True)
