"""The search of a trained model, chosen as in train.py."""

from argparse import Namespace

import pytest

from seq2seq_lab.config.build import build
from seq2seq_lab.config.compose import compose, conf_dir
from seq2seq_lab.decoding.beam import Beam
from seq2seq_lab.errors import CheckpointError, ConfigError
from seq2seq_lab.inference.decoding_choice import (
    as_overrides,
    choose,
    is_override,
    take_overrides,
    with_shortcuts,
)

GREEDY = compose(["decoding.max_ratio=1.5", "decoding.max_extra=4"])["decoding"]
BEAM = compose(
    [
        "decoding=beam",
        "decoding.max_ratio=1.25",
        "decoding/length_penalty=gnmt",
        "decoding.length_penalty.alpha=0.3",
    ]
)["decoding"]
OPTIONS = sorted(p.stem for p in (conf_dir() / "decoding").glob("*.yaml"))


@pytest.mark.parametrize("name", OPTIONS)
def test_any_stored_search_is_spelled_and_read_again(name):
    stored = compose([f"decoding={name}", "decoding.max_ratio=1.5"])["decoding"]
    assert compose(as_overrides(stored))["decoding"] == stored
    changed = choose(stored, ["decoding.max_extra=7"])
    assert changed == {**stored, "max_extra": 7}


def test_without_overrides_the_search_of_the_run_stays():
    assert choose(BEAM, []) is BEAM


@pytest.mark.parametrize("name", OPTIONS)
def test_another_search_keeps_the_limits_of_the_run(name):
    default = compose([f"decoding={name}"])["decoding"]
    assert choose(GREEDY, [f"decoding={name}"]) == {**default, "max_ratio": 1.5, "max_extra": 4}


def test_what_is_given_goes_before_what_is_stored():
    assert choose(GREEDY, ["decoding=beam", "decoding.max_extra=9"])["max_extra"] == 9


def test_a_part_of_the_search_is_exchanged():
    found = choose(BEAM, ["decoding/length_penalty=power"])
    assert found == {**BEAM, "length_penalty": {**found["length_penalty"]}}
    assert found["length_penalty"]["_target_"].endswith("PowerPenalty")
    assert found["length_penalty"]["alpha"] == 1.0
    built = build(choose(BEAM, ["decoding.length_penalty.alpha=0.5"]))
    assert isinstance(built, Beam)
    assert built.length_penalty.alpha == 0.5


WRONG = {
    "option": (["decoding=baem"], "did you mean beam"),
    "key": (["decoding=beam", "decoding.beam_sise=3"], "did you mean decoding.beam_size"),
    "group": (["decodng=beam"], "did you mean decoding"),
    "part": (["decoding/length_penalti=gnmt"], "length_penalt"),
    "value": (["decoding=beam", "decoding.beam_size=0"], "must be >= 1"),
    "type": (["decoding=beam", "decoding.beam_size=many"], "expected int"),
    "no value": (["decoding"], "KEY=VALUE"),
    "key of another search": (["decoding.beam_size=3"], "decoding.beam_size=3: no such"),
    "the model": (["model.dim=3"], "only the decoding can be changed"),
    "the data": (["data=copy"], "only the decoding can be changed"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_reported_with_the_nearest_name(name):
    overrides, says = WRONG[name]
    with pytest.raises(ConfigError, match=says):
        choose(GREEDY, overrides)


def test_a_search_that_this_version_does_not_know_is_reported():
    with pytest.raises(CheckpointError, match="write decoding=NAME"):
        choose({**GREEDY, "_target_": "seq2seq_lab.decoding.old.Search"}, ["decoding.max_extra=2"])


# shortcuts


@pytest.mark.parametrize(
    ("stored", "given", "beam", "n_best", "expected"),
    [
        (GREEDY, [], 4, None, ["decoding=beam", "decoding.beam_size=4"]),
        (BEAM, [], 4, None, ["decoding.beam_size=4"]),
        (GREEDY, ["decoding=diverse_beam"], 4, None, ["decoding.beam_size=4", "decoding=diverse_beam"]),
        (BEAM, [], None, 3, ["decoding.n_best=3"]),
        (GREEDY, ["decoding=sample"], None, 3, ["decoding.n_best=3", "decoding=sample"]),
        (GREEDY, [], 4, 2, ["decoding=beam", "decoding.beam_size=4", "decoding.n_best=2"]),
    ],
)  # fmt: skip
def test_shortcuts_are_overrides(stored, given, beam, n_best, expected):
    assert with_shortcuts(stored, given, beam=beam, n_best=n_best) == expected


def test_a_search_with_one_output_has_no_n_best():
    with pytest.raises(ConfigError, match="--n-best 3: this search writes one output; add --beam"):
        with_shortcuts(GREEDY, [], beam=None, n_best=3)


# what is a file and what is an override


@pytest.mark.parametrize("text", ["decoding=beam", "decoding.max_ratio=2", "+a.b=c", "~decoding"])
def test_overrides_are_known_by_their_form(text):
    assert is_override(text)


@pytest.mark.parametrize("text", ["in.txt", "-", "./a=b", "/tmp/a=b", "decoding"])
def test_files_are_not_overrides(text):
    assert not is_override(text)


def test_a_file_with_such_a_name_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b").write_text("1\n")
    assert not is_override("a=b")


@pytest.mark.parametrize(
    ("file", "overrides", "ensemble", "expected"),
    [
        (None, [], [], (None, [], [])),
        ("in.txt", ["a=1"], [], ("in.txt", ["a=1"], [])),
        ("a=1", ["b=2"], [], (None, ["a=1", "b=2"], [])),
        ("a=1", ["in.txt"], [], ("in.txt", ["a=1"], [])),
        ("in.txt", [], ["x", "a=1", "y"], ("in.txt", ["a=1"], ["x", "y"])),
    ],
)
def test_overrides_are_taken_out_of_the_arguments(file, overrides, ensemble, expected):
    arguments = Namespace(file=file, overrides=overrides, ensemble=ensemble)
    found = take_overrides(arguments, "file")
    assert (arguments.file, found, arguments.ensemble) == expected


def test_a_second_file_is_refused():
    arguments = Namespace(file="a", overrides=["b"], ensemble=[])
    with pytest.raises(ConfigError, match="b: one argument too many"):
        take_overrides(arguments, "file")
