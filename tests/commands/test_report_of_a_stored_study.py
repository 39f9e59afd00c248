"""`report` with the file of a stored study: as with its folder, and the options that write such files and pages."""

from pathlib import Path

import pytest

from seq2seq_lab.commands.dispatch import carry_out
from support.study_folder import Plan, write_study

PREDICTION = {
    "claim": "c", "source": "s", "shape": "f",
    "tests": [{"says": "t", "arm": {"model/attention": "dot"}, "judge": "mean", "at_least": 5}],
}  # fmt: skip
SMALL = Plan(errors={"none": 0.4, "dot": 0.1}, seeds=(1, 2), sentences=8, prediction=PREDICTION)


@pytest.fixture
def report(monkeypatch, tmp_path):
    """The command, run in a folder of its own with the arguments given; one study is there, stored too."""
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path / "outputs" / "studies" / "mine", SMALL)
    assert carry_out(["report", "mine", "--store", "kept/mine.tar.xz"]) == 0
    return lambda *arguments: carry_out(["report", *arguments])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".html"}


def test_a_stored_study_gives_the_report_of_its_folder(report, tmp_path, capsys):
    assert report("mine", "--store", "again.tar.xz") == 0
    size = (tmp_path / "kept" / "mine.tar.xz").stat().st_size
    assert f"Stored: again.tar.xz, {size:,} bytes" in capsys.readouterr().out
    assert report("mine") == 0
    assert report("kept/mine.tar.xz") == 0
    told = capsys.readouterr().out
    assert told.rstrip().endswith("Report: outputs/reports/mine/index.html")
    whole = contents(tmp_path / "outputs" / "studies" / "mine" / "report")
    assert contents(tmp_path / "outputs" / "reports" / "mine") == whole
    assert report("kept/mine.tar.xz", "--out", "elsewhere", "--metric", "test/bleu") == 0
    assert "Metric: test/bleu." in (tmp_path / "elsewhere" / "report.md").read_text()


def test_stored_studies_make_one_table(report, tmp_path, capsys):
    write_study(tmp_path / "outputs" / "studies" / "other", SMALL)
    assert report("kept/mine.tar.xz", "other") == 0
    assert "outputs/reports/mine+other/index.html" in capsys.readouterr().out


def test_pages_of_reproductions_are_written_for_several_studies(report, tmp_path, capsys):
    write_study(tmp_path / "other", SMALL)
    assert report("kept/mine.tar.xz", "other", "--reproduction", "pages") == 0
    assert "Reproduction: pages/mine.md" in capsys.readouterr().out
    found = sorted(path.name for path in (tmp_path / "pages").iterdir())
    assert found == ["mine.md", "mine.svg", "other.md", "other.svg"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["mine", "--store", "mine.zip"], 2, "called NAME.tar.xz"),
        (["mine", "mine", "--store", "two.tar.xz"], 2, "takes one study"),
        (["mine", "--reproduction", "pages", "--metric", "test/bleu"], 2, "belongs to a report"),
        (["mine", "--out", "elsewhere"], 2, "goes to"),
        (["broken.tar.xz"], 6, "no stored study that can be unpacked"),
        (["text.txt"], 2, "no study there"),
    ],
)
def test_mistakes_are_one_line(report, tmp_path, capsys, arguments, code, words):
    (tmp_path / "broken.tar.xz").write_bytes(b"x" * 99)
    (tmp_path / "text.txt").write_text("no study")
    capsys.readouterr()
    assert report(*arguments) == code
    told = capsys.readouterr()
    assert words in told.err
    assert told.err.count("\n") == 1
