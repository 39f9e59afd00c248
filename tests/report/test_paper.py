"""Figures for papers: complete, the same bytes each time, and drawn from the numbers of their CSV."""

import csv
import io
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from seq2seq_lab.report.analysis import analyse
from seq2seq_lab.report.arm_names import arm_names
from seq2seq_lab.report.chart import (
    Axes,
    Bands,
    Bars,
    Chart,
    Forest,
    Marks,
    Point,
    Row,
    Series,
    data,
)
from seq2seq_lab.report.figures import figures
from seq2seq_lab.report.page import write_report
from seq2seq_lab.report.paper import DPI, WIDTH, drawing, write_figures
from seq2seq_lab.report.records import read_records
from support.study_folder import Plan, write_study

PLAN = Plan(errors={"none": 0.4, "dot": 0.05}, seeds=(1, 2), sentences=12, seed_spread=0.01)
NAMES = {"attention=none", "attention=dot"}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    place = write_study(tmp_path_factory.mktemp("studies") / "small", PLAN)
    write_report(place, with_figures=True)
    return place


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_figure_of_the_page_has_its_four_files(study):
    page = (study / "report" / "index.html").read_text(encoding="utf-8")
    records = read_records(study)
    found = figures(records, analyse(records))
    assert len(found) == page.count("<figure><h3>") == 8
    names = {f"{figure.name}.{kind}" for figure in found for kind in ("pdf", "svg", "png", "csv")}
    assert {path.name for path in (study / "report" / "figures").iterdir()} == names


def test_a_png_is_a_column_wide_and_fit_for_print(study):
    for path in (study / "report" / "figures").glob("*.png"):
        with Image.open(path) as image:
            assert image.width == round(WIDTH * DPI)
            assert image.height < 1.2 * image.width


def test_a_pdf_is_one_page_with_embedded_fonts(study):
    for path in (study / "report" / "figures").glob("*.pdf"):
        text = path.read_bytes()
        assert text.startswith(b"%PDF-")
        assert len(re.findall(rb"/Type /Page\b", text)) == 1
        assert b"/FontFile2" in text
        assert b"/Type3" not in text
        assert b"/CreationDate" not in text
        (width,) = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ", text)
        assert float(width) == pytest.approx(72 * WIDTH)


def test_the_text_of_an_svg_is_text_with_the_readable_names(study):
    for path in (study / "report" / "figures").glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        words = re.findall(r"<text[^>]*>(.*?)</text>", text)
        assert "dot attention" in words
        assert not NAMES & set(words)
        assert "<dc:date>" not in text


def drawn_points(figure) -> set[tuple[float, float]]:
    (axes,) = drawing(figure, {}).axes
    lines = [line for line in axes.lines if line.get_marker() not in ("", "None", "_", "|")]
    return {(float(x), float(y)) for line in lines for x, y in zip(*line.get_data(), strict=True)}


def is_drawn_from_its_csv(figure, rows: list[dict[str, str]]) -> None:
    if isinstance(figure, Forest):
        assert {x for x, _ in drawn_points(figure)} == {float(r["difference"]) for r in rows}
    else:
        assert drawn_points(figure) == {(float(r["x"]), float(r["y"])) for r in rows}


def test_the_csv_holds_what_is_drawn(study):
    records = read_records(study)
    for figure in figures(records, analyse(records)):
        rows = read(study / "report" / "figures" / f"{figure.name}.csv")
        is_drawn_from_its_csv(figure, rows)
        assert {row.get("series") or row["arm"] for row in rows} <= NAMES


def test_the_forest_holds_the_differences_of_the_table(study):
    (row,) = read(study / "report" / "figures" / "differences.csv")
    table = {r["arm"]: r for r in read(study / "report" / "table.csv")}[row["arm"]]
    columns = {"difference": "difference", "low": "diff_low", "high": "diff_high"}
    assert {k: row[k] for k in columns} == {k: table[v] for k, v in columns.items()}
    assert row["smallest_effect"] == table["smallest_effect"]


def test_figures_are_written_again_with_the_page_and_have_the_same_bytes(study, tmp_path):
    place = tmp_path / "small"
    shutil.copytree(study, place)
    folder = place / "report" / "figures"
    (folder / "of_an_old_report.png").write_bytes(b"old")
    (folder / "mine.txt").write_text("kept")
    for path in folder.glob("score_by_arm.*"):
        path.write_text("old")
    write_report(place)
    assert contents(folder) == {**contents(study / "report" / "figures"), "mine.txt": b"kept"}


def test_without_the_flag_there_are_none(tmp_path):
    place = write_study(tmp_path / "small", PLAN)
    write_report(place)
    assert not (place / "report" / "figures").exists()


def test_many_arms_with_long_and_foreign_names_are_drawn(tmp_path):
    point = (Point(1.0, 2.0, 1.0, 3.0), Point(2.0, 3.0))
    series = tuple(Series(f"arm {i} " + "很长 $x_1$ " * 9, i, point) for i in range(9))
    rows = tuple(
        Row(one.label, one.style, 1.0, float("nan"), 2.0, float("nan"), "+1") for one in series
    )
    axes = Axes("x", "a long label of an axis, more than what fits on one line (unit)")
    for kind in (Bands, Bars, Marks):
        drawing(kind("chart", "t", "c", series, axes), {})
    write_figures(tmp_path, [Forest("forest", "t", "c", "x", rows)], {})
    assert len(list(tmp_path.iterdir())) == 4


# planted bugs


def test_planted_csv_of_other_numbers_is_caught(study):
    records = read_records(study)
    for figure in figures(records, analyse(records)):
        head, *rows = [list(map(str, row)) for row in data(figure)]
        column = head.index("y" if isinstance(figure, Chart) else "difference")
        rows[0][column] = str(float(rows[0][column]) + 0.01)
        text = io.StringIO(
            "\n".join(",".join(f'"{cell}"' for cell in row) for row in [head, *rows])
        )
        with pytest.raises(AssertionError):
            is_drawn_from_its_csv(figure, list(csv.DictReader(text)))


def test_planted_date_is_caught(study, tmp_path, monkeypatch):
    from seq2seq_lab.report import paper

    monkeypatch.setattr(paper, "_NO_DATE", {"pdf": {}, "svg": {}, "png": {}})
    records = read_records(study)
    chosen = figures(records, analyse(records))[:1]
    write_figures(tmp_path, chosen, arm_names(records))
    assert b"/CreationDate" in (tmp_path / "differences.pdf").read_bytes()
