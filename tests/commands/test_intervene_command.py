"""intervene as a user types it, on one run and on the two seeds of an arm."""

import json

import pytest

from seq2seq_lab.commands.intervene import chosen
from support import in_process_command
from support.in_process_command import learned, one_line_error
from support.small_runs import TINY_RUN, rows, run_folder

command, trained = in_process_command.command, in_process_command.trained

NO_ATTENTION = "model/attention=none"


def tiny(seed: int, *overrides: str):
    return run_folder(*TINY_RUN, f"seed={seed}", "training.trainer.max_epochs=1", *overrides)


@pytest.fixture(scope="module", autouse=True)
def trained_arms():
    """Train before any output is captured."""
    return tiny(1), tiny(2), tiny(1, NO_ATTENTION)


def test_one_run_is_decoded_under_every_intervention_but_that_of_another_seed(command, tmp_path):
    code, printed, _ = command("intervene", learned(), "--output", tmp_path)
    assert code == 0
    (arm,) = tmp_path.iterdir()
    names = {"none", "uniform", "shuffled", "shifted", "hard"}
    assert {place.name for place in arm.iterdir() if place.is_dir()} == names
    assert "other_seed is left out: it needs a second seed." in printed
    assert all(f"| {name} |" in printed for name in names)
    folder = arm / "none" / "seed_1"
    assert rows(folder / "hypotheses" / "test.jsonl") == rows(
        learned() / "hypotheses" / "test.jsonl"
    )
    result = json.loads((learned() / "result.json").read_text())
    own = json.loads((folder / "result.json").read_text())
    assert own["test/bleu"] == result["test/bleu"]
    assert own["test/loss"] == pytest.approx(result["test/loss"], abs=1e-4)
    assert json.loads((arm / "hard" / "seed_1" / "decoding.json").read_text())["intervention"] == {
        "_target_": "seq2seq_lab.decoding.intervention.Hard"
    }


def test_two_seeds_lend_each_other_their_weights(command, tmp_path):
    found = command(
        "intervene", tiny(1), tiny(2), "--output", tmp_path, "--only", "other_seed,uniform"
    )
    assert found[0] == 0, found
    for seed, other in ((1, 2), (2, 1)):
        (file,) = tmp_path.glob(f"*/other_seed/seed_{seed}/decoding.json")
        assert json.loads(file.read_text())["intervention"]["run"] == str(tiny(other).absolute())
    assert "| other\\_seed | 2 |" in found[1]


def test_evaluate_and_translate_take_an_intervention(command, tmp_path):
    plain = command("translate", learned(), "--text", "1 2 3 0")[1]
    uniform = ("decoding/intervention=uniform",)
    assert command("translate", learned(), "--text", "1 2 3 0", *uniform)[0] == 0
    assert command("translate", learned(), "--text", "1 2 3 0")[1] == plain
    for name in ("s", "r"):
        (tmp_path / name).write_text("1 2\n3 4 5\n")
    out = ("--output", tmp_path / "o")
    found = command("evaluate", learned(), tmp_path / "s", tmp_path / "r", *out, *uniform)
    assert found[0] == 0
    stored = json.loads((tmp_path / "o" / "metrics.json").read_text())["decoding"]["intervention"]
    assert stored["_target_"].endswith("Uniform")
    assert "note: attention weights were replaced: Uniform()" in found[2]


WRONG = {
    "no such name": (["--only", "unifrom"], "--only unifrom: no such intervention"),
    "metric": (["--metric", "val/bleu"], "must be test/NAME"),
    "no such metric": (["--metric", "test/no", "--only", "hard"], "there are test/bleu"),
    "batch": (["--batch-size", "0"], "must be >= 1"),
}


@pytest.mark.parametrize(("words", "message"), WRONG.values(), ids=WRONG)
def test_wrong_words_are_one_line(command, tmp_path, words, message):
    found = command("intervene", learned(), "--output", tmp_path, *words)
    assert message in one_line_error(found, 2)


def test_what_is_no_arm_is_refused(command, tmp_path):
    out = ("--output", tmp_path)
    found = command("intervene", "nothing_here", *out)
    assert "neither a study nor the folder of a finished run" in one_line_error(found, 2)
    found = command("intervene", learned(), tiny(2), *out)
    assert "not the model of" in one_line_error(found, 2)
    found = command("intervene", tiny(1), tiny(1), *out)
    assert "the same seed" in one_line_error(found, 2)


def test_a_model_without_attention_and_another_model_are_refused(command):
    none = tiny(1, NO_ATTENTION)
    found = command("translate", none, "--text", "1", "decoding/intervention=hard")
    assert "decoding.intervention: this model has no attention" in one_line_error(found, 2)
    other = (f"decoding.intervention.run={none}", "decoding/intervention=other_seed")
    found = command("translate", tiny(1), "--text", "1", *other)
    assert "its model has other parts or sizes" in one_line_error(found, 2)
    found = command("translate", learned(), "--text", "1", *other)
    assert "tokenizer is another one" in one_line_error(found, 2)


def test_names_keep_their_order():
    assert chosen("b,a,b", ("a", "b")) == ("b", "a")
    assert chosen(None, ("a", "b")) == ("a", "b")
