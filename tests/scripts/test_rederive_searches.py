"""rederive.py on a study with searches: arms of one model are paired, tests that name a search are derived."""

import subprocess
import sys
from pathlib import Path

import pytest

from seq2seq_lab.report.page import write_report
from support.stored_searches import beam, write_search
from support.study_folder import Plan, write_study

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "rederive.py"
KEY = "model/attention"
GREEDY, WIDE = ({KEY: "dot", "search": name} for name in ("greedy", "beam_50"))
PLAIN, PLAIN_WIDE = ({**one, KEY: "none"} for one in (GREEDY, WIDE))
TERMS = ((1, WIDE), (-1, PLAIN_WIDE), (-1, GREEDY), (1, PLAIN))
QUARTER = {"source_quarter": 4}
TESTS = [
    {"says": "a wide beam loses", "arm": WIDE, "minus": GREEDY},
    {"says": "attention gains with each", "arm": WIDE, "minus": PLAIN},
    {"says": "the gain is the same", "sum": [{"times": k, "arm": a, "part": QUARTER} for k, a in TERMS]},
    {"says": "outputs are shorter", "arm": WIDE, "minus": GREEDY, "metric": "length_ratio"},
]  # fmt: skip
PREDICTION = {
    "claim": "wide beams lose",
    "source": "a paper",
    "shape": "the wider, the shorter",
    "seeds": 3,
    "tests": [{**test, "at_most": 0.0} for test in TESTS],
}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    plan = Plan(
        errors={"none": 0.3, "dot": 0.1},
        seeds=(1, 2, 3),
        sentences=20,
        seed_spread=0.1,
        prediction=PREDICTION,
    )
    place = write_study(tmp_path_factory.mktemp("studies") / "study", plan)
    for run in (place / "runs").iterdir():
        (run / "data_report.json").write_text('{"languages": ["en", "zh"]}')
        write_search(run, "beam_50", 0, beam(50), lambda text: text[:-1])
    write_report(place)
    return place


def rederive(study: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(SCRIPT), str(study)], capture_output=True, text=True)


def test_every_number_of_a_study_with_searches_is_derived_again(study):
    done = rederive(study)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    right, total = done.stdout.split()[0], done.stdout.split()[2]
    assert right == total
    assert (study / "report" / "prediction.csv").read_text().count("\n") == 1 + len(TESTS)


def test_another_estimate_of_a_search_is_found(study):
    path = study / "report" / "prediction.csv"
    before = path.read_text()
    lines = before.splitlines()
    changed = lines[1].replace("confirmed", "refuted").replace("undecided", "refuted")
    path.write_text("\n".join([lines[0], changed, *lines[2:], ""]))
    done = rederive(study)
    path.write_text(before)
    assert done.returncode == 1
    assert "refuted is written" in done.stdout
