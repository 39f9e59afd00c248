"""Several studies in one table: each against its own baseline, one correction, one forest plot."""

import csv
import json
import re
from pathlib import Path

import pytest

from seq2seq_lab.commands.dispatch import carry_out
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.report.analysis import analyse
from seq2seq_lab.report.records import read_records
from seq2seq_lab.report.several import read_several
from seq2seq_lab.report.several_page import notes, table_csv, write_several
from seq2seq_lab.report.statistics import holm
from support.study_folder import Plan, write_study

DE = Plan(errors={"none": 0.5, "dot": 0.05}, seeds=(1, 2, 3), sentences=14, seed_spread=0.004)
FR = Plan(errors={"none": 0.4, "dot": 0.3, "additive": 0.05}, seeds=(1, 2), sentences=11)


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("studies")
    return [write_study(folder / "en_de", DE), write_study(folder / "en_fr", FR)]


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_each_cell_is_the_number_of_its_study(places):
    several = read_several(places, None, None)
    assert several.arms == ("attention=none", "attention=dot", "attention=additive")
    found = {(r["column"], r["arm"]): r for r in rows_of(table_csv(several))}
    assert len(found) == 5
    for place in places:
        for row in analyse(read_records(place)).table:
            cell = found[place.name, row.arm]
            assert float(cell["mean"]) == row.interval.mean
            assert cell["baseline"] == "attention=none"
            if row.comparison:
                assert float(cell["difference"]) == row.comparison.difference
                assert float(cell["p"]) == row.comparison.p


def corrected_over_all(several) -> None:
    found = [row for column in several.columns for row in column.rows if row.comparison]
    assert [row.p_holm for row in found] == holm([row.comparison.p for row in found])
    assert several.comparisons == len(found) == 3


def test_the_correction_is_over_the_whole_table(places):
    corrected_over_all(read_several(places, None, None))


def test_planted_correction_by_study_is_caught(places, monkeypatch):
    from seq2seq_lab.report import several

    monkeypatch.setattr(several, "_corrected", lambda tables: [tuple(rows) for rows in tables])
    with pytest.raises(AssertionError):
        corrected_over_all(read_several(places, None, None))


def test_its_files_have_all_studies_and_the_same_bytes_each_time(places, tmp_path):
    several = read_several(places, "test/bleu", None)
    write_several(several, tmp_path, with_figures=True)
    files = {p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()}
    figure = {f"figures/differences.{kind}" for kind in ("pdf", "svg", "png", "csv")}
    assert {str(p) for p in files} == {"index.html", "report.md", "table.csv", "table.tex"} | figure
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert page.count('class="mark"') == 3
    assert re.findall(r'class="label group"[^>]*>(\w+)<', page) == ["en_de", "en_fr"]
    assert "en_fr: 2 seeds: the interval rests on 1 degree of freedom" in page
    assert "<script" not in page
    latex = (tmp_path / "table.tex").read_text(encoding="utf-8")
    assert r"\multicolumn{2}{c}{en\_de} & \multicolumn{2}{c}{en\_fr} \\" in latex
    assert latex.count("no attention &") == 1
    before = {p: (tmp_path / p).read_bytes() for p in files}
    write_several(read_several(places, "test/bleu", None), tmp_path)
    assert {p: (tmp_path / p).read_bytes() for p in files} == before


def by_data(place: Path) -> Path:
    """A study of one model on two corpora, and of another."""
    write_study(place, Plan(errors={"small": 0.3, "large": 0.1}, key="data/corpus", seeds=(1, 2), sentences=9,
                            missing=(("large", 2),)))  # fmt: skip
    path = place / "study.json"
    plan = json.loads(path.read_text())
    plan["factors"] = {"model": ["gru"], **plan["factors"]}
    for run in plan["runs"]:
        run["factors"] = {"model": "gru", **run["factors"]}
    path.write_text(json.dumps(plan))
    return place


def test_a_factor_makes_columns(tmp_path):
    several = read_several([by_data(tmp_path / "both")], None, "data/corpus")
    assert [column.name for column in several.columns] == ["both, small", "both, large"]
    assert several.names == {"model=gru": "GRU"}
    assert [len(column.records.unfinished) for column in several.columns] == [0, 1]
    assert [len(column.rows[0].seeds) for column in several.columns] == [2, 1]
    assert "both, large: 1 of 2 runs are not done and are left out" in notes(several)


def test_what_cannot_be_compared_is_said(places, tmp_path):
    other = write_study(
        tmp_path / "other", Plan(errors={"dot": 0.1, "none": 0.4}, seeds=(1,), sentences=9)
    )
    for path in other.glob("runs/*/hypotheses/signatures.json"):
        path.write_text(path.read_text().replace("tok:zh", "tok:13a"))
        done = path.parents[1] / "done.json"
        facts = json.loads(done.read_text())
        del facts["sha256"]["hypotheses/signatures.json"]
        done.write_text(json.dumps(facts))
    said = " ".join(notes(read_several([places[0], other], "test/bleu", None)))
    assert "the baselines differ" in said
    assert "different ways (signatures)" in said


@pytest.mark.parametrize(
    ("chosen", "metric", "factor", "words"),
    [
        ([0, 0], None, None, "given twice"),
        ([0, 1], "test/absent", None, "no finished run has it"),
        ([0, 1], None, "data/corpus", "no factor of en_de; its factors are model/attention"),
    ],
)
def test_mistakes_are_one_line(places, chosen, metric, factor, words):
    with pytest.raises(ConfigError, match=words) as found:
        read_several([places[i] for i in chosen], metric, factor)
    assert "\n" not in str(found.value)


def test_studies_of_other_metrics_need_a_metric(places, tmp_path):
    other = write_study(
        tmp_path / "other", Plan(errors=DE.errors, seeds=(1,), sentences=9, metric="test/chrf")
    )
    with pytest.raises(ConfigError, match="other has test/chrf; give one by --metric"):
        read_several([places[0], other], None, None)
    assert read_several([places[0], other], "test/chrf", None).metric == "test/chrf"


def test_the_command_writes_one_table(places, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert carry_out(["report", *map(str, places)]) == 0
    assert "en\\_de" in capsys.readouterr().out
    assert (tmp_path / "outputs" / "reports" / "en_de+en_fr" / "table.tex").is_file()
    assert carry_out(["report", str(places[0]), "--out", "x"]) == 2
    assert "give several studies" in capsys.readouterr().err
    assert carry_out(["report", str(places[0]), "absent"]) == 2
    assert "no study there" in capsys.readouterr().err
