"""The callback `searches`: checked before training, after the test, and where a stopped run goes on."""

import json
import os
import signal
from unittest import mock

import pytest

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.inference import searches
from seq2seq_lab.inference.search_folder import read_searches
from seq2seq_lab.training.callback.searches import Searches
from seq2seq_lab.training.datamodule import Seq2SeqDataModule
from support.small_runs import TINY_RUN, rows, run_folder, train

CHOSEN = (
    *TINY_RUN,
    "+training/callback=searches",
    "+training.callback.searches.searches.beam='decoding=beam decoding.beam_size=3'",
    "+training.callback.searches.searches.short=['decoding.max_extra=1']",
)


@pytest.fixture(scope="module")
def run():
    return run_folder(*CHOSEN)


def test_every_search_lies_in_the_run_folder_in_the_order_of_the_config(run):
    found = read_searches(run)
    assert list(found) == ["beam", "short"]
    assert found["beam"].decoding["beam_size"] == 3
    assert found["short"].decoding["_target_"].endswith("Greedy")
    assert found["short"].decoding["max_extra"] == 1
    assert len({one.model for one in found.values()}) == 1


def test_the_test_of_the_run_and_what_is_known_of_its_job_stay(run):
    plain = run_folder(*TINY_RUN)
    for name in ("test.jsonl", "val.jsonl"):
        assert rows(run / "hypotheses" / name) == rows(plain / "hypotheses" / name)
    ours, theirs = (json.loads((one / "manifest.json").read_text()) for one in (run, plain))
    assert ours["choices"]["decoding"] == theirs["choices"]["decoding"] == "greedy"
    assert [o for o in CHOSEN if o in ours["overrides"]] == list(CHOSEN)


def test_the_command_finds_them_done(run):
    from seq2seq_lab.commands.search import chosen

    found = chosen([run], {"beam": "decoding=beam decoding.beam_size=3"}, [])
    from seq2seq_lab.inference.trained import load
    from seq2seq_lab.report.interventions import stored_pairs

    trained = load(run)
    tested = searches.SearchedRun(
        run, trained.translator, stored_pairs(run), trained.target_language
    )
    assert [searches.decode(tested, one) for one in found[run]] == [None]


def test_a_mistake_is_found_before_data_are_read(tmp_path, capfd):
    with mock.patch.object(Seq2SeqDataModule, "setup", side_effect=AssertionError("read")):
        code = train(
            *CHOSEN,
            "training.callback.searches.searches.beam=decoding=bean",
            f"run_dir={tmp_path / 'r'}",
        )
        assert code == 2
        assert "did you mean" not in capfd.readouterr().err  # an `=` that is not in quotes
        wrong = "training.callback.searches.searches.beam='decoding=bean'"
        assert train(*CHOSEN, wrong, f"run_dir={tmp_path / 'r'}") == 2
    assert (
        "searches.beam: decoding=bean: no such option; did you mean beam?" in capfd.readouterr().err
    )
    assert not (tmp_path / "r").exists()


def test_what_the_model_cannot_do_is_found_before_it_trains(tmp_path, capfd):
    wrong = "+training.callback.searches.searches.c='decoding.replace_unknown=true'"
    with mock.patch("pytorch_lightning.Trainer.test", side_effect=AssertionError("tested")):
        code = train(*CHOSEN, wrong, "model/attention=none", f"run_dir={tmp_path / 'r'}")
    assert code == 2
    assert (
        "searches.c: decoding.replace_unknown=true: this model has no attention"
        in capfd.readouterr().err
    )
    assert not list((tmp_path / "r" / "checkpoints").iterdir())


def test_a_run_that_is_stopped_between_two_searches_goes_on_with_the_second(tmp_path, run):
    folder, store, made = tmp_path / "r", searches._store, []

    def stopping(place, *rest):
        if place.name == "short":
            os.kill(os.getpid(), signal.SIGTERM)
        store(place, *rest)

    def counted(place, *rest):
        made.append(place.name)
        store(place, *rest)

    with mock.patch.object(searches, "_store", stopping):
        assert train(*CHOSEN, "training/logger=csv", f"run_dir={folder}") == 143
    assert list(read_searches(folder)) == ["beam"]
    assert not (folder / "result.json").exists()
    with mock.patch.object(searches, "_store", counted):
        assert train(*CHOSEN, "training/logger=csv", f"run_dir={folder}", "resume=auto") == 0
    assert made == ["short"]
    for name in ("beam", "short"):
        ours, theirs = (one / "searches" / name / "test.jsonl" for one in (folder, run))
        assert ours.read_bytes() == theirs.read_bytes()


def test_packed_seeds_decode_as_alone(tmp_path, run):
    words = ("-m", "seed=1,2", "hydra/launcher=packed", "study=packed", f"study_dir={tmp_path}")
    assert train(*words[:1], *CHOSEN, *words[1:], "training/logger=csv") == 0
    (first,) = tmp_path.glob("runs/*-s1-*")
    (second,) = tmp_path.glob("runs/*-s2-*")
    assert list(read_searches(second)) == ["beam", "short"]
    assert json.loads((first / "manifest.json").read_text())["pack"]["with"]
    assert read_searches(first)["beam"].model != read_searches(second)["beam"].model


def test_searches_that_were_not_composed_are_refused():
    with pytest.raises(ConfigError, match=r"train by train\.py"):
        Searches({"a": ["decoding=beam"]}).setup(None, None, "fit")
