"""Further searches of a trained model: what is written, when it is made again, and what is refused."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from seq2seq_lab.config.build import build
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.inference.named_search import overrides_of
from seq2seq_lab.inference.search_choice import choose_all
from seq2seq_lab.inference.search_folder import FILES, read_search, read_searches, refuse_others
from seq2seq_lab.inference.searches import SearchedRun, decode, weights_hash
from seq2seq_lab.inference.trained import load
from seq2seq_lab.metrics.length_ratio import length_ratio
from seq2seq_lab.metrics.scores import score
from seq2seq_lab.report.interventions import stored_pairs
from support.in_process_command import learned
from support.small_runs import rows

WIDE = ("decoding=beam", "decoding.beam_size=3")


@pytest.fixture(scope="module")
def trained():
    return load(learned())


@pytest.fixture
def tested(tmp_path, trained):
    return SearchedRun(
        tmp_path, trained.translator, stored_pairs(learned()), trained.target_language
    )


@pytest.fixture(scope="module")
def wide(trained):
    return choose_all({"wide": WIDE}, trained.config["decoding"])[0]


def test_a_search_is_stored_as_a_run_stores_its_test(tested, wide):
    numbers = decode(tested, wide)
    folder = tested.run / "searches" / "wide"
    assert {path.name for path in folder.iterdir()} == {*FILES, "search.json"}
    outputs = replace(tested.translator, decoding=build(wide.decoding)).translate(
        [pair.source for pair in tested.pairs]
    )
    texts = [one.text for one in outputs]
    assert [row["hypothesis"] for row in rows(folder / "test.jsonl")] == texts
    own = rows(learned() / "hypotheses" / "test.jsonl")
    assert [row["hypothesis"] for row in own] != texts
    assert [row["source"] for row in own] == [row["source"] for row in rows(folder / "test.jsonl")]
    expected = score(tested.pairs, texts, tested.target_language).numbers
    stored = json.loads((folder / "result.json").read_text())
    assert stored == numbers
    assert {key: stored[f"test/{key}"] for key in expected} == expected
    words = sum(len(text.split()) for text in texts)
    assert stored["test/length_ratio"] == words / sum(len(p.target.split()) for p in tested.pairs)
    assert stored["test/mean_score"] == pytest.approx(sum(o.score for o in outputs) / len(outputs))
    assert stored["test/decoding_seconds"] >= 0.0


def test_the_stored_search_of_a_run_writes_what_the_run_wrote(tested, trained):
    (same,) = choose_all({"same": ["decoding.min_length=0"]}, trained.config["decoding"])
    decode(tested, same)
    for name in ("test.jsonl", "test_counts.jsonl", "signatures.json"):
        ours, theirs = (tested.run / "searches" / "same", learned() / "hypotheses")
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()


def test_what_is_done_is_not_decoded_again(tested, wide):
    assert decode(tested, wide) is not None
    before = (tested.run / "searches" / "wide").stat().st_ino
    assert decode(tested, wide) is None
    assert (tested.run / "searches" / "wide").stat().st_ino == before


@pytest.mark.parametrize("name", [*FILES, "search.json"])
def test_a_damaged_search_is_made_again(tested, wide, name):
    decode(tested, wide)
    folder = tested.run / "searches" / "wide"
    whole = (folder / "test.jsonl").read_bytes()
    (folder / name).write_bytes((folder / name).read_bytes()[:-9])
    assert read_searches(tested.run) == {}
    assert decode(tested, wide) is not None
    assert (folder / "test.jsonl").read_bytes() == whole
    assert list(read_searches(tested.run)) == ["wide"]


def test_what_a_killed_process_left_is_no_search_and_goes(tested, wide):
    decode(tested, wide)
    place = tested.run / "searches"
    left = place / ".wide.seq2seq-lab-abcdefgh.tmp"
    shutil.copytree(place / "wide", left)
    (place / "wide" / "search.json").unlink()
    assert read_searches(tested.run) == {}
    assert decode(tested, wide) is not None
    assert [path.name for path in place.iterdir()] == ["wide"]


def test_other_weights_decode_again(tested, wide):
    decode(tested, wide)
    model = build_other(tested.translator.model)
    other = replace(tested, translator=replace(tested.translator, model=model))
    assert other.model != tested.model
    assert decode(other, wide) is not None
    assert read_search(tested.run / "searches" / "wide").model == other.model


def build_other(model):
    """Return a copy of the model with one number changed."""
    other = load(learned()).translator.model
    with torch.no_grad():
        next(other.parameters()).view(-1)[0] += 1.0
    assert weights_hash(model) == weights_hash(load(learned()).translator.model)
    return other


def test_another_search_of_the_same_name_is_refused(tested, wide, trained):
    decode(tested, wide)
    (other,) = choose_all({"wide": [*WIDE, "decoding.max_extra=1"]}, trained.config["decoding"])
    with pytest.raises(ConfigError, match=r"other settings \(decoding=beam decoding.beam_size=3\)"):
        refuse_others(tested.run, [other])
    with pytest.raises(ConfigError, match="choose another name"):
        decode(tested, other)


def test_all_mistakes_are_found_at_once_with_the_nearest_names(trained):
    wrong = {
        "a": ["decoding=beam", "decoding.beam_siz=5"],
        "b": "decoding=beem",
        "c": ["model=lstm"],
        "d": WIDE,
    }
    with pytest.raises(ConfigError) as found:
        choose_all(wrong, trained.config["decoding"])
    text = str(found.value)
    assert (
        "searches.a: decoding.beam_siz=5: no such group or key; did you mean decoding.beam_size?"
        in text
    )
    assert "searches.b: decoding=beem: no such option; did you mean beam?" in text
    assert "searches.c: model=lstm: of a trained model only the decoding can be changed" in text
    assert "searches.d" not in text


@pytest.mark.parametrize(
    ("searches", "message"),
    [
        ({}, "name one search at least"),
        ({"../a": WIDE}, "the name of a folder"),
        ({".a": WIDE}, "the name of a folder"),
        ({"a": []}, "must be a list of overrides"),
        ({"a": [5]}, "must be a list of overrides"),
        ({"a": None}, "must be a list of overrides"),
    ],
)
def test_what_is_no_search_is_refused(searches, message):
    with pytest.raises(ConfigError, match=message):
        overrides_of(searches)


def test_a_length_ratio_counts_words_or_characters():
    assert length_ratio(["a b", ""], ["a b c", "d"], "en") == 0.5
    assert length_ratio(["零 一二"], ["零一"], "zh") == 1.5
    assert str(length_ratio(["a"], [""], "en")) == "nan"
