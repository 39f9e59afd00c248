"""The atlas: each bar is the comparison of its study's report, and what is not measured is said."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from seq2seq_lab.commands.dispatch import carry_out
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.report.analysis import analyse
from seq2seq_lab.report.atlas import data_of, read_atlas
from seq2seq_lab.report.atlas_page import gaps, panels, table_csv, write_atlas
from seq2seq_lab.report.records import read_records
from seq2seq_lab.study.stored_study import opened, store
from support.stored_searches import beam, write_search
from support.study_folder import Plan, write_study

DOCS = Path(__file__).parents[2] / "docs"
KEY = "model/attention"
BAR = {"choice": "attention", "says": "dot against none", "study": "one", "arm": {KEY: "dot"},
       "minus": {KEY: "none"}}  # fmt: skip
LATER = BAR | {"study": "later", "choice": "cell"}
QUARTER = BAR | {"says": "of long ones", "part": {"source_quarter": 4}}
BLEU = BAR | {"says": "in <BLEU>", "metric": "bleu"}
FILES = {"atlas.csv", "atlas.html", "atlas.md", "atlas.svg"}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    plan = Plan(errors={"dot": 0.05, "none": 0.4}, sentences=22)
    return write_study(tmp_path_factory.mktemp("studies") / "one", plan)


def declared(folder: Path, *bars: dict, choices=("attention", "cell", "beam")) -> Path:
    path = folder / "atlas.yaml"
    content = {"title": "Mine", "choices": list(choices), "bars": list(bars)}
    path.write_text(json.dumps(content))  # JSON is YAML, and has no aliases
    return path


def test_a_bar_is_the_comparison_of_the_report_the_other_way_round(study, tmp_path):
    (effect,) = read_atlas(declared(tmp_path, BAR), [study]).effects
    reported = next(r.comparison for r in analyse(read_records(study)).table if r.comparison)
    c = effect.comparison
    assert (c.difference, c.low, c.high) == pytest.approx(
        (-reported.difference, -reported.high, -reported.low), abs=1e-10
    )
    assert c.difference > 0
    assert c.p == pytest.approx(reported.p)
    assert (effect.seeds, effect.sentences) == ((3, 3), 22)


def test_a_part_is_that_quarter_of_the_report(study, tmp_path):
    (effect,) = read_atlas(declared(tmp_path, QUARTER), [study]).effects
    (row,) = [r for r in analyse(read_records(study)).by_length if r.comparison and r.quarter == 4]
    assert effect.comparison.difference == pytest.approx(-row.comparison.difference)
    assert effect.comparison.low == pytest.approx(-row.comparison.high)
    assert effect.sentences == row.sentences


def test_a_search_has_the_data_of_its_model(study, tmp_path):
    run = next(run for runs in read_records(study).arms.values() for run in runs)
    config = {
        "data": {
            "corpus": {"_target_": "a.Captions"},
            "source_language": "en",
            "target_language": "de",
        }
    }
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    trained = replace(run, folder=tmp_path)
    search = replace(run, folder=tmp_path / "searches" / "beam_5", model=str(tmp_path))
    assert data_of(trained) == data_of(search) == "Captions en-de"


def test_a_bar_that_names_a_search_and_a_split(study, tmp_path):
    place = shutil.copytree(study, tmp_path / "one")
    for run in (place / "runs").iterdir():
        write_search(run, "beam_5", 0, beam(5), str)
    arms = [{KEY: name, "search": "beam_5"} for name in ("dot", "none")]
    bars = BAR | {"arm": arms[0], "minus": arms[1], "metric": "test/exact_match"}
    (effect,) = read_atlas(declared(tmp_path, bars), [place]).effects
    (plain,) = read_atlas(declared(tmp_path, BAR), [study]).effects
    assert effect.metric == "test/exact_match"
    assert effect.comparison.difference == plain.comparison.difference
    with pytest.raises(ConfigError, match=r"search=beam_6 fits no arm .*; name one of them$"):
        read_atlas(declared(tmp_path, bars | {"arm": arms[0] | {"search": "beam_6"}}), [place])


def test_metrics_share_no_axis_and_all_bars_are_corrected_together(study, tmp_path):
    atlas = read_atlas(declared(tmp_path, BAR, QUARTER, BLEU), [study])
    assert [len(one.figure.rows) for one in panels(atlas)] == [2, 1]
    smallest = min(atlas.effects, key=lambda effect: effect.comparison.p)
    assert smallest.p_holm == pytest.approx(3 * smallest.comparison.p)
    found = list(csv.DictReader(table_csv(atlas).splitlines()))
    lows = [effect.comparison.low for effect in atlas.effects]
    assert [float(row["low"]) for row in found] == pytest.approx(lows, abs=0, rel=1e-9)


def test_rounding_of_another_cpu_does_not_change_the_table(study, tmp_path):
    atlas = read_atlas(declared(tmp_path, BAR), [study])
    (effect,) = atlas.effects
    numbers = {
        name: getattr(effect.comparison, name) * (1 + 4e-15)
        for name in ("difference", "low", "high", "p")
    }
    other = replace(effect, comparison=replace(effect.comparison, **numbers))
    assert numbers["low"] != effect.comparison.low
    assert table_csv(replace(atlas, effects=(other,))) == table_csv(atlas)


def test_a_bar_waits_for_all_runs_of_its_arms(tmp_path):
    plan = Plan(errors={"dot": 0.05, "none": 0.4}, sentences=22, missing=(("dot", 2), ("dot", 3)))
    place = write_study(tmp_path / "one", plan)
    atlas = read_atlas(declared(tmp_path, BAR), [place])
    assert atlas.effects == ()
    assert gaps(atlas)[0] == "attention: not measured yet (4 of 6 runs of its arms are done)"


def test_what_is_not_measured_is_listed(study, tmp_path):
    atlas = read_atlas(declared(tmp_path, BAR, LATER), [study])
    assert gaps(atlas) == [
        "cell: not measured yet (the study later is not stored)",
        "beam: not measured yet",
    ]


WRONG = [
    (BAR | {"arm": {KEY: "dott"}}, "dott"),
    (BAR | {"arm": {KEY: "none"}}, "is the arm itself"),
    (BAR | {"choice": "cel"}, "none of the choices"),
    (BAR | {"extra": 1}, "may have metric, part"),
    (BAR | {"metric": "exact_macth"}, "no such metric; did you mean exact_match"),
    (BAR | {"says": " "}, "must be text"),
    (BAR | {"published": 1.2}, "must be text"),
    ({"choice": "cell"}, "must have"),
]


@pytest.mark.parametrize(("bar", "told"), WRONG)
def test_a_bar_that_does_not_fit_is_refused(bar, told, study, tmp_path):
    with pytest.raises(ConfigError, match=told):
        read_atlas(declared(tmp_path, bar), [study])


def test_the_command_writes_the_same_bytes_from_folder_and_archive(study, tmp_path):
    path = declared(tmp_path, BAR | {"published": "1.2 <A> 2015"}, BLEU)
    store(study, tmp_path / "one.tar.xz")
    for place, out in ((study, "a"), (tmp_path / "one.tar.xz", "b")):
        words = ["report", str(place), "--atlas", str(path), "--out", str(tmp_path / out)]
        assert carry_out(words) == 0
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in "ab")
    assert set(one) == FILES
    assert one == two
    page = one["atlas.html"].decode()
    assert "<code>python train.py experiment=one" in page
    assert "<BLEU>" not in page
    assert "Published: 1.2 &lt;A&gt; 2015" in page
    assert "python train.py experiment=one" in one["atlas.md"].decode()
    assert "- Published, dot against none: 1.2 &lt;A&gt; 2015" in one["atlas.md"].decode()
    assert [r["published"] for r in csv.DictReader(one["atlas.csv"].decode().splitlines())] == [
        "1.2 <A> 2015",
        "",
    ]


def test_the_page_of_the_documentation_is_made_from_the_stored_studies(tmp_path):
    from contextlib import ExitStack

    with ExitStack() as stack:
        archives = [
            path
            for place in (DOCS / "reproductions" / "studies", DOCS / "atlas_studies")
            for path in sorted(place.glob("*.tar.xz"))
        ]
        places = [stack.enter_context(opened(path)) for path in archives]
        atlas = read_atlas(DOCS / "atlas.yaml", places)
    pages = tmp_path / "reproductions"
    pages.mkdir()
    for page in (DOCS / "reproductions").glob("*.md"):
        (pages / page.name).touch()
    write_atlas(atlas, tmp_path)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (DOCS / name).read_bytes(), (
            f"make reproductions: {name}"
        )
