"""search as a user types it: on finished runs, on a study, and one line where something is wrong."""

import json
import shutil

import pytest

from seq2seq_lab.commands.search import runs_of, taken_apart
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.inference.search_folder import read_searches
from support import in_process_command
from support.in_process_command import learned, one_line_error
from support.study_folder import Plan, write_study

command, trained = in_process_command.command, in_process_command.trained

WIDE = "beam_3=decoding=beam decoding.beam_size=3"


@pytest.fixture
def run(tmp_path):
    return shutil.copytree(learned(), tmp_path / "run")


def test_a_run_gets_searches_and_later_further_ones(command, run, tmp_path):
    (tmp_path / "more.yaml").write_text(
        "short: [decoding.max_extra=1]\nagain: decoding.max_ratio=1.0\n"
    )
    code, printed, errors = command("search", run, WIDE)
    assert (code, errors) == (0, "")
    assert printed.startswith("run beam_3: test/")
    code, printed, _ = command("search", run, WIDE, "--searches", tmp_path / "more.yaml")
    assert code == 0
    names = [line.split(":")[0] for line in printed.splitlines()]
    assert names == ["run short", "run again", "run beam_3"]
    assert printed.endswith("run beam_3: is there already\n")
    assert next(iter(read_searches(run))) == "beam_3"
    assert set(read_searches(run)) == {"beam_3", "short", "again"}
    own = (run / "hypotheses" / "test.jsonl").read_bytes()
    assert (run / "searches" / "again" / "test.jsonl").read_bytes() == own
    assert (run / "searches" / "beam_3" / "test.jsonl").read_bytes() != own


def test_a_mistake_costs_no_decoding(command, run):
    found = command("search", run, WIDE, "b=decoding.beam_siz=4")
    assert "searches.b: decoding.beam_siz=4: no such group or key" in one_line_error(found, 2)
    assert not (run / "searches").exists()
    assert command("search", run, WIDE)[0] == 0
    found = command("search", run, "new=decoding.max_extra=1", WIDE.replace("size=3", "size=4"))
    assert "holds a search of this name with other settings" in one_line_error(found, 2)
    assert list(read_searches(run)) == ["beam_3"]


WRONG = {
    "no search": ([], "no search; add one as beam_5="),
    "twice": ([WIDE, WIDE], "beam_3: two searches have this name"),
    "no study": ([WIDE, "nothing_here"], "neither a study nor the folder of a finished run"),
    "batch": ([WIDE, "--batch-size", "0"], "must be >= 1"),
    "no file": ([WIDE, "--searches", "absent.yaml"], "absent.yaml"),
}


@pytest.mark.parametrize(("words", "message"), WRONG.values(), ids=WRONG)
def test_wrong_words_are_one_line(command, run, words, message):
    assert message in one_line_error(command("search", run, *words), 2)
    assert not (run / "searches").exists()


def test_places_and_searches_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lr=3").mkdir()
    found = taken_apart(["study", "lr=3", "a=decoding=beam decoding.beam_size=2"])
    assert found == (["study", "lr=3"], {"a": "decoding=beam decoding.beam_size=2"})


def test_the_finished_runs_of_a_study_count(tmp_path, capsys):
    plan = Plan(errors={"none": 0.4, "dot": 0.1}, seeds=(1, 2), sentences=8, failed=(("dot", 2),))
    place = write_study(tmp_path / "study", plan)
    found = runs_of([str(place), str(place)])
    assert len(found) == 3
    assert all(json.loads((run / "done.json").read_text()) for run in found)
    assert "1 of 4 runs" in capsys.readouterr().err
    nothing = Plan(errors={"none": 0.4}, seeds=(1,), sentences=8, missing=(("none", 1),))
    with pytest.raises(ConfigError, match="no run of this study is done"):
        runs_of([str(write_study(tmp_path / "empty", nothing))])
