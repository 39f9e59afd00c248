"""Every page of docs/reproductions is what its stored study gives: `make reproductions` writes them again."""

import re
import tarfile
from pathlib import Path

import pytest

from seq2seq_lab.report.reproduction_page import write_reproduction
from seq2seq_lab.study.stored_study import opened, store
from support.study_folder import Plan, write_study

PAGES = Path(__file__).resolve().parents[2] / "docs" / "reproductions"
STORED = sorted((PAGES / "studies").glob("*.tar.xz"))
MACHINE = re.compile(
    "|".join(["/wo" + "rk/", "/ro" + "ot/", "/ho" + r"me/\w", "/tm" + "p/"]).encode()
)
"""Spelled in pieces, so that this file does not hold them."""
LARGEST = 2_000_000
PREDICTION = {
    "claim": "c", "source": "s", "shape": "f",
    "tests": [{"says": "t", "arm": {"model/attention": "dot"}, "judge": "mean", "at_least": 5}],
}  # fmt: skip


def page_is_that_of_its_study(stored: Path, pages: Path, folder: Path) -> None:
    """Compare the page and the figure of a study in `pages` with those made again in an empty folder."""
    with opened(stored) as study:
        name = write_reproduction(study, folder).stem
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert made == {path.name: path.read_bytes() for path in pages.glob(f"{name}.*")}


def names_no_machine(stored: Path) -> None:
    with tarfile.open(stored) as tar:
        assert [one.name for one in tar if MACHINE.search(tar.extractfile(one).read())] == []


@pytest.mark.parametrize("stored", STORED, ids=lambda path: path.name)
def test_a_page_is_that_of_its_stored_study(stored, tmp_path):
    page_is_that_of_its_study(stored, PAGES, tmp_path)


@pytest.mark.parametrize("stored", STORED, ids=lambda path: path.name)
def test_a_stored_study_is_small_and_names_no_machine(stored):
    assert stored.stat().st_size < LARGEST
    names_no_machine(stored)


def test_every_page_has_its_study():
    pages = {path.stem for path in PAGES.glob("*.md")} - {"index"}
    assert pages == {path.name.removesuffix(".tar.xz") for path in STORED}


def test_a_page_that_was_edited_is_caught(tmp_path):
    """The oracle, on a study of its own; what was counted before, in report_cache, changes nothing."""
    plan = Plan(errors={"none": 0.4, "dot": 0.1}, sentences=8, prediction=PREDICTION)
    place = write_study(tmp_path / "mine", plan)
    page = write_reproduction(place, tmp_path / "pages")
    stored = tmp_path / "mine.tar.xz"
    store(place, stored)
    names_no_machine(stored)
    page_is_that_of_its_study(stored, tmp_path / "pages", tmp_path / "again")
    page.write_text(page.read_text().replace("confirmed", "refuted"))
    with pytest.raises(AssertionError):
        page_is_that_of_its_study(stored, tmp_path / "pages", tmp_path / "third")
    with tarfile.open(tmp_path / "bad.tar.xz", "w:xz") as tar:
        (tmp_path / "text").write_text("run_dir: " + "/tm" + "p/x")
        tar.add(tmp_path / "text", "config.yaml")
    with pytest.raises(AssertionError):
        names_no_machine(tmp_path / "bad.tar.xz")
